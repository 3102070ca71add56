/** `/api/1/dtabs`: every method, status and header. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { startRig } from './rig.ts';

const asDtab = { 'content-type': 'application/dtab' };
const asJson = { 'content-type': 'application/json' };

test('GET dtabs lists the namespaces, sorted, as JSON and a line break', async t => {
  const rig = await startRig(t);
  assert.equal((await rig.ask('GET', 'dtabs')).text, '[]\n');
  for (const name of ['zeta', 'alpha', 'default']) await rig.put(name, '');
  for (const [method, target] of [
    ['GET', 'dtabs'],
    ['GET', `${rig.url}/api/1/dtabs`],
    ['GET', 'dtabs/'],
  ]) {
    const answer = await rig.ask(method, target);
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '["alpha","default","zeta"]\n');
  }
  for (const method of ['DELETE', 'POST', 'PUT', 'TRACE'])
    assert.equal(
      (await rig.ask(method, 'dtabs/')).status,
      405,
      `${method}: a script with an empty name must not succeed`,
    );
});

test('a path that only begins like an endpoint is 404, and the answer names an existing one', async t => {
  const rig = await startRig(t);
  for (const target of [
    'dtabsexpialidocious',
    'bindfoo',
    'bind',
    'bind/',
    'addr',
    'resolve',
    'x',
    '/',
    '/api/2/dtabs',
  ]) {
    const answer = await rig.ask('GET', `${target}?path=/a`);
    assert.deepEqual([target, answer.status], [target, 404]);
    assert.match(answer.text, /does not exist; try (\/api\/1\/|GET \/api\/1\/openapi)/);
  }
});

test('a stored dtab is answered with its version, in the first form of Accept', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/tshirt => /suit');
  const asText = ['/tshirt=>/suit\n', 'application/dtab'];
  const json = ['[{"prefix":"/tshirt","dst":"/suit"}]\n', 'application/json'];
  for (const [accept, [body, type]] of [
    ['application/dtab, application/json', asText],
    ['application/dtab;q=0.9, application/json', asText],
    ['text/plain, application/json', [asText[0], 'text/plain']],
    ['text/plain;q=0.9, application/json', [asText[0], 'text/plain']],
    ['APPLICATION/DTAB', asText],
    ['application/json, application/dtab', json],
    ['image/png', json],
    ['*/*', json],
  ] as const) {
    const answer = await rig.ask('GET', 'dtabs/tea', { accept });
    assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [200, body, type], accept);
    assert.equal(answer.headers.etag, 'AAAAAAAAAAE=');
  }
  assert.equal((await rig.ask('GET', 'dtabs/tea')).text, json[0]);
});

test('a namespace that does not exist is 404', async t => {
  const rig = await startRig(t);
  for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal((await rig.ask(method, 'dtabs/none')).status, 404);
});

test('a method that a dtab does not support is 405, with Allow and a reason', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '');
  for (const method of ['PATCH', 'OPTIONS', 'PROPFIND']) {
    const { status, headers, text } = await rig.ask(method, 'dtabs/tea');
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, POST, PUT, DELETE'], method);
    assert.equal(text, `/api/1/dtabs/tea accepts GET, HEAD, POST, PUT, DELETE, not ${method}`);
  }
});

test('HEAD answers the version and has no Content-Length', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  const answer = await rig.ask('HEAD', 'dtabs/tea');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.etag, 'AAAAAAAAAAE=');
  assert.equal(answer.headers['content-length'], undefined);
  assert.equal(answer.headers['transfer-encoding'], undefined);
});

test('POST creates once, from text or JSON, and answers the version', async t => {
  const rig = await startRig(t);
  const created = await rig.ask('POST', 'dtabs/tea', asDtab, '/a => /b;');
  assert.deepEqual([created.status, created.text, created.headers.etag], [204, '', 'AAAAAAAAAAE=']);
  assert.equal((await rig.ask('POST', 'dtabs/tea', asDtab, '/a=>/b')).status, 409);
  const typed = { 'content-type': 'application/json;charset=UTF-8' };
  assert.equal((await rig.ask('POST', 'dtabs/json', typed, '[{"prefix":"/tshirt","dst":"/suit"}]')).status, 204);
  assert.equal((await rig.ask('GET', 'dtabs/json', { accept: 'text/plain' })).text, '/tshirt=>/suit\n');
  assert.equal((await rig.ask('POST', 'dtabs/empty', asJson, '[]')).status, 204, 'an empty dtab is one');
  assert.equal((await rig.ask('GET', 'dtabs/empty')).text, '[]\n');
});

test('POST refuses an unknown Content-Type, and a bad dtab, with the reason', async t => {
  const rig = await startRig(t);
  for (const headers of [{}, { 'content-type': 'image/png' }, { 'content-type': 'nonsense' }] as Record<
    string,
    string
  >[]) {
    const answer = await rig.ask('POST', 'dtabs/tea', headers, '/a=>/b');
    assert.equal(answer.status, 400, JSON.stringify(headers));
    assert.match(
      answer.text,
      /^Invalid Content-Type ".*"\. Expected one of application\/json, application\/dtab, text\/plain$/,
    );
  }
  const bad = await rig.ask('POST', 'dtabs/tea', asDtab, '/a=>');
  assert.equal(bad.status, 400);
  assert.match(bad.text, /^Invalid dtab: .*expected but end of input found/);
  for (const [body, reason] of [
    ['[null]', /\[0\]: expected \{"prefix", "dst"\}, found null/],
    ['[{"prefix":"/a","dst":"/b","x":1}]', /unknown field "x"/],
    ['[{"prefix":"/a"}]', /\[0\]\.dst: expected a string/],
    ['[{"prefix":"a","dst":"/b"}]', /\[0\]\.prefix: '\/' expected/],
    ['{}', /expected a list/],
    ['[', /JSON/],
  ] as const) {
    const answer = await rig.ask('POST', 'dtabs/tea', asJson, body);
    assert.equal(answer.status, 400);
    assert.match(answer.text, reason);
  }
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404);
});

test('PUT creates or replaces; with If-Match only that version, quoted or not', async t => {
  const rig = await startRig(t);
  const first = await rig.ask('PUT', 'dtabs/tea', asDtab, '/a=>/b');
  assert.deepEqual([first.status, first.text, first.headers.etag], [204, '', 'AAAAAAAAAAE=']);
  const second = await rig.ask('PUT', 'dtabs/tea', { ...asDtab, 'if-match': 'AAAAAAAAAAE=' }, '/a=>/c');
  assert.deepEqual([second.status, second.headers.etag], [204, 'AAAAAAAAAAI=']);
  for (const stale of ['AAAAAAAAAAE=', 'yolo', '"AAAAAAAAAAE="', '']) {
    const answer = await rig.ask('PUT', 'dtabs/tea', { ...asDtab, 'if-match': stale }, '/a=>/d');
    assert.equal(answer.status, 412, stale);
  }
  assert.equal((await rig.ask('GET', 'dtabs/tea', { accept: 'text/plain' })).text, '/a=>/c\n');
  for (const [i, good] of ['"AAAAAAAAAAI="', 'W/"AAAAAAAAAAM="', '*'].entries()) {
    const answer = await rig.ask('PUT', 'dtabs/tea', { ...asDtab, 'if-match': good }, `/a=>/${i}`);
    assert.equal(answer.status, 204, good);
  }
  const absent = await rig.ask('PUT', 'dtabs/none', { ...asDtab, 'if-match': 'AAAAAAAAAAE=' }, '/a=>/b');
  assert.equal(absent.status, 404);
});

test('PUT names the Content-Type it cannot read, and the reason for a bad dtab', async t => {
  const rig = await startRig(t);
  const typed = await rig.ask('PUT', 'dtabs/tea', { 'content-type': 'application/xml' }, '');
  assert.equal(typed.status, 400);
  assert.match(typed.text, /^Invalid Content-Type "application\/xml"\. /);
  const bad = await rig.ask('PUT', 'dtabs/tea', asDtab, 'nonsense');
  assert.equal(bad.status, 400);
  assert.match(bad.text, /Invalid dtab: .*'\/' expected but 'n' found at '\[n\]onsense'/);
  assert.equal((await rig.ask('PUT', 'dtabs/tea', asJson, '[null]')).status, 400);
});

test('DELETE removes a namespace, once', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '');
  const deleted = await rig.ask('DELETE', 'dtabs/tea');
  assert.deepEqual([deleted.status, deleted.text], [204, '']);
  assert.equal((await rig.ask('DELETE', 'dtabs/tea')).status, 404);
});

test('a namespace may have slashes and is not percent-decoded', async t => {
  const rig = await startRig(t);
  await rig.put('a/b%20c', '/x=>/y');
  assert.equal((await rig.ask('GET', 'dtabs')).text, '["a/b%20c"]\n');
  assert.equal((await rig.ask('GET', 'dtabs/a/b%20c')).status, 200);
  assert.equal((await rig.ask('GET', 'dtabs/a/b+c')).status, 404);
});

test('a refusal by the store is 403 for every method, a failure is 503', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '');
  const writes = [
    ['POST', 'dtabs/new', asDtab],
    ['PUT', 'dtabs/tea', asDtab],
    ['PUT', 'dtabs/tea', { ...asDtab, 'if-match': 'AAAAAAAAAAE=' }],
    ['DELETE', 'dtabs/tea', {}],
  ] as const;
  const reads = [
    ['GET', 'dtabs'],
    ['GET', 'dtabs/tea'],
    ['HEAD', 'dtabs/tea'],
  ] as const;
  for (const [code, status] of [
    ['STORE_FORBIDDEN', 403],
    ['STORE_UNAVAILABLE', 503],
  ] as const) {
    const error = new LinkerdTcpError(code, { reason: 'its ACL' });
    rig.store.refusal = error;
    for (const [method, target, headers] of writes)
      assert.equal(
        (await rig.ask(method, target, headers, method === 'DELETE' ? undefined : '/a=>/b')).status,
        status,
        method,
      );
    rig.store.state.next({ state: 'failed', error });
    for (const [method, target] of reads) {
      const answer = await rig.ask(method, target);
      assert.equal(answer.status, status, target);
      if (method === 'GET') assert.match(answer.text, /its ACL/);
    }
    rig.store.state.next(undefined);
  }
});

test('a store that does not answer in time is 503', async t => {
  const rig = await startRig(t, { api: { answerTimeoutMs: 20 } });
  rig.store.state.next({ state: 'pending' });
  const answer = await rig.ask('GET', 'dtabs/tea');
  assert.equal(answer.status, 503);
  assert.match(answer.text, /reading tea took longer than 20 ms/);
});

test('a body that is too long is refused', async t => {
  const rig = await startRig(t, { api: { maxBodyBytes: 100 } });
  assert.equal((await rig.ask('PUT', 'dtabs/tea', asDtab, `/a=>/b${' '.repeat(100)}`)).status, 413);
});

test('a page of another site cannot write', async t => {
  const rig = await startRig(t);
  const answer = await rig.ask(
    'POST',
    'dtabs/tea',
    { 'content-type': 'text/plain', origin: 'http://evil.example' },
    '',
  );
  assert.equal(answer.status, 403);
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404);
});

test('validate=true reports warnings and stores nothing', async t => {
  const rig = await startRig(t);
  const dtab = '/a=>/$/inet/127.1/80;/x=>/y;/y=>/x;/svc=>/#/nowhere;/a=>!';
  for (const method of ['PUT', 'POST']) {
    const answer = await rig.ask(method, 'dtabs/tea?validate=true', asDtab, dtab);
    assert.equal(answer.status, 200);
    const { valid, warnings } = answer.json as { valid: boolean; warnings: { kind: string; dentry: number }[] };
    assert.equal(valid, true);
    assert.deepEqual(
      warnings.map(({ kind, dentry }) => [kind, dentry]),
      [
        ['shadowed', 0],
        ['loop', 1],
        ['unknown-namer', 3],
      ],
    );
  }
  assert.equal((await rig.ask('PUT', 'dtabs/tea?validate=true', asDtab, '/a')).status, 400);
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404);
});

test('validate stores nothing unless it is clearly off: bare it is on, and a value that is not a boolean is an error', async t => {
  const rig = await startRig(t);
  for (const on of ['validate', 'validate=', 'validate=T', 'validate=1'])
    assert.equal((await rig.ask('PUT', `dtabs/tea?${on}`, asDtab, '/a=>/b')).status, 200, on);
  for (const wrong of ['validate=yes', 'validate=maybe', 'validate=2'])
    for (const method of ['PUT', 'POST']) {
      const { status, text } = await rig.ask(method, `dtabs/tea?${wrong}`, asDtab, '/a=>/b');
      assert.equal(status, 400, wrong);
      assert.match(text, /^query parameter validate is ".*"; expected true or false$/);
    }
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404);
  assert.equal((await rig.ask('PUT', 'dtabs/tea?validate=false', asDtab, '/a=>/b')).status, 204);
});

test('a body of text without any rule is refused, so that a failed upload does not empty a namespace; [] empties it', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  for (const body of ['', ' \n', '# /a => /b; /c => /d', '# one\n# two\n'])
    for (const [method, target] of [
      ['PUT', 'dtabs/tea'],
      ['PUT', 'dtabs/tea?validate=true'],
      ['POST', 'dtabs/new'],
    ]) {
      if (method === 'POST' && body === '') continue;
      const { status, text } = await rig.ask(method, target, asDtab, body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(text, /the body has no rules; to store an empty dtab, send \[\] as application\/json/);
    }
  assert.equal((await rig.ask('GET', 'dtabs/tea', { accept: 'text/plain' })).text, '/a=>/b\n');
  assert.equal((await rig.ask('PUT', 'dtabs/tea', asJson, '[]')).status, 204);
  assert.equal((await rig.ask('GET', 'dtabs/tea')).text, '[]\n');
  assert.equal((await rig.ask('POST', 'dtabs/new', asDtab, '')).status, 204, 'as in Linkerd 1.x: nothing is lost');
  assert.equal((await rig.ask('POST', 'dtabs/newer', asJson, '')).status, 400);
});

test('PUT with If-None-Match: * creates, and is 412 for a namespace that exists; other values are 400', async t => {
  const rig = await startRig(t);
  const put = (headers: Record<string, string>) => rig.ask('PUT', 'dtabs/tea', { ...asDtab, ...headers }, '/a=>/b');
  assert.equal((await put({ 'if-none-match': '*' })).status, 204);
  const again = await put({ 'if-none-match': '*' });
  assert.deepEqual([again.status, again.text.split(',')[0]], [412, 'namespace tea already exists']);
  assert.equal((await put({ 'if-none-match': 'AAAAAAAAAAE=' })).status, 400);
  assert.equal((await put({ 'if-none-match': '*', 'if-match': '*' })).status, 400);
  assert.equal((await rig.ask('DELETE', 'dtabs/tea', { 'if-none-match': '*' })).status, 400);
  assert.equal((await rig.ask('HEAD', 'dtabs/tea')).headers.etag, 'AAAAAAAAAAE=', 'nothing was written');
});

test('If-Match takes a list of versions', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/1');
  const put = (list: string) => rig.ask('PUT', 'dtabs/tea', { ...asDtab, 'if-match': list }, '/a=>/b');
  assert.equal((await put('"AAAAAAAAAAE=", "AAAAAAAAAAk="')).status, 204);
  assert.equal((await put('"AAAAAAAAAAE=", "AAAAAAAAAAk="')).status, 412);
  assert.equal((await put('AAAAAAAAAAk=, W/"AAAAAAAAAAI="')).status, 204);
});

test('a reader that knows the current version is answered 304 without the dtab', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/1');
  for (const method of ['GET', 'HEAD'])
    for (const known of ['AAAAAAAAAAE=', '"x", "AAAAAAAAAAE="', '*']) {
      const { status, text, headers } = await rig.ask(method, 'dtabs/tea', { 'if-none-match': known });
      assert.deepEqual([status, text, headers.etag], [304, '', 'AAAAAAAAAAE=']);
    }
  assert.equal((await rig.ask('GET', 'dtabs/tea', { 'if-none-match': 'AAAAAAAAAAk=' })).status, 200);
});

test('a body with a Content-Encoding is 415: it is not stored as it is', async t => {
  const rig = await startRig(t);
  const { status, text } = await rig.ask('PUT', 'dtabs/tea', { ...asDtab, 'content-encoding': 'gzip' }, '/a=>/b');
  assert.deepEqual([status, text], [415, 'unsupported Content-Encoding "gzip"; send the body as it is']);
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404);
});

test('the history lists every write, newest first, with its number, time and author; deletions are rows', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/1');
  await rig.put('tea', '/a=>/2');
  await rig.ask('DELETE', 'dtabs/tea');
  await rig.ask('POST', 'dtabs/tea/restore?version=1');
  const at = '1970-01-01T00:16:40.000Z';
  assert.deepEqual((await rig.ask('GET', 'dtabs/tea/history?dtab=true')).json, {
    versions: [
      { number: 4, version: 'AAAAAAAAAAQ=', at, restoredFrom: 1, current: true, bytes: 6, dtab: '/a=>/1' },
      { number: 3, version: 'AAAAAAAAAAM=', at, deleted: true, bytes: 0 },
      { number: 2, version: 'AAAAAAAAAAI=', at, bytes: 6, dtab: '/a=>/2' },
      { number: 1, version: 'AAAAAAAAAAE=', at, bytes: 6, dtab: '/a=>/1' },
    ],
  });
  assert.equal((await rig.ask('GET', 'dtabs/none/history')).status, 404);
});

test('the history comes in pages, without the dtabs unless they are asked for', async t => {
  const rig = await startRig(t);
  for (let i = 1; i <= 5; i++) await rig.put('tea', `/a=>/${i}`);
  const page = async (query: string) => {
    const { versions, next } = (await rig.ask('GET', `dtabs/tea/history?${query}`)).json as {
      versions: { number: number; dtab?: string }[];
      next?: number;
    };
    assert.ok(versions.every(({ dtab }) => dtab === undefined));
    return [versions.map(({ number }) => number), next];
  };
  assert.deepEqual(await page('limit=2'), [[5, 4], 4]);
  assert.deepEqual(await page('limit=2&before=4'), [[3, 2], 2]);
  assert.deepEqual(await page('limit=2&before=2'), [[1], undefined]);
  for (const wrong of ['limit=0', 'limit=1001', 'limit=x', 'before=-1', 'before=', 'dtab=yes'])
    assert.equal((await rig.ask('GET', `dtabs/tea/history?${wrong}`)).status, 400, wrong);
});

test('an earlier version is read and restored by its number or its ETag', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/1');
  await rig.put('tea', '/a=>/2');
  await rig.ask('DELETE', 'dtabs/tea');
  for (const version of ['1', 'AAAAAAAAAAE%3D']) {
    const read = await rig.ask('GET', `dtabs/tea?version=${version}`, { accept: 'application/dtab' });
    assert.deepEqual([read.status, read.text, read.headers.etag], [200, '/a=>/1\n', 'AAAAAAAAAAE=']);
  }
  const checked = await rig.ask('POST', 'dtabs/tea/restore?version=1&validate=1');
  assert.deepEqual(checked.json, { valid: true, dtab: [{ prefix: '/a', dst: '/1' }], warnings: [] });
  assert.equal((await rig.ask('GET', 'dtabs/tea')).status, 404, 'a dry run stores nothing');
  const restored = await rig.ask('POST', 'dtabs/tea/restore?version=AAAAAAAAAAE%3D');
  assert.deepEqual([restored.status, restored.headers.etag], [204, 'AAAAAAAAAAQ=']);
  for (const [which, what] of [
    ['9', 'one that does not exist'],
    ['3', 'a deletion'],
    ['AAAAAAAAAEE%3D', 'an ETag that does not exist'],
  ]) {
    assert.equal((await rig.ask('POST', `dtabs/tea/restore?version=${which}`)).status, 404, what);
    assert.equal((await rig.ask('GET', `dtabs/tea?version=${which}`)).status, 404, what);
  }
});
