/** `/api/1/dtabs`: every method, status and header. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { startRig } from './rig.ts';

const asDtab = { 'content-type': 'application/dtab' };
const asJson = { 'content-type': 'application/json' };

test('GET dtabs lists the namespaces, sorted, as JSON and a line break; any method does', async t => {
  const rig = await startRig(t);
  assert.equal((await rig.ask('GET', 'dtabs')).text, '[]\n');
  for (const name of ['zeta', 'alpha', 'default']) await rig.put(name, '');
  for (const [method, target] of [
    ['GET', 'dtabs'],
    ['GET', `${rig.url}/api/1/dtabs`],
    ['GET', 'dtabs/'],
    ['POST', 'dtabs'],
    ['DELETE', 'dtabs/'],
  ]) {
    const answer = await rig.ask(method, target);
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '["alpha","default","zeta"]\n');
  }
});

test('a path that only begins like an endpoint is not found, with an empty body', async t => {
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
    assert.deepEqual([target, answer.status, answer.text], [target, 404, '']);
  }
});

test('a stored dtab is told with its version, in the form that is asked for first', async t => {
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

test('a namespace that is not stored is not found', async t => {
  const rig = await startRig(t);
  for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal((await rig.ask(method, 'dtabs/none')).status, 404);
});

test('methods that mean nothing to a dtab are not found', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '');
  for (const method of ['PATCH', 'OPTIONS', 'PROPFIND'])
    assert.equal((await rig.ask(method, 'dtabs/tea')).status, 404, method);
});

test('HEAD tells the version and has no Content-Length', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/b');
  const answer = await rig.ask('HEAD', 'dtabs/tea');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.etag, 'AAAAAAAAAAE=');
  assert.equal(answer.headers['content-length'], undefined);
  assert.equal(answer.headers['transfer-encoding'], undefined);
});

test('POST creates once, from text or JSON, and tells the version', async t => {
  const rig = await startRig(t);
  const created = await rig.ask('POST', 'dtabs/tea', asDtab, '/a => /b;');
  assert.deepEqual([created.status, created.text, created.headers.etag], [204, '', 'AAAAAAAAAAE=']);
  assert.equal((await rig.ask('POST', 'dtabs/tea', asDtab, '')).status, 409);
  const typed = { 'content-type': 'application/json;charset=UTF-8' };
  assert.equal((await rig.ask('POST', 'dtabs/json', typed, '[{"prefix":"/tshirt","dst":"/suit"}]')).status, 204);
  assert.equal((await rig.ask('GET', 'dtabs/json', { accept: 'text/plain' })).text, '/tshirt=>/suit\n');
  assert.equal((await rig.ask('POST', 'dtabs/empty', asDtab, '')).status, 204, 'an empty dtab is one');
  assert.equal((await rig.ask('GET', 'dtabs/empty')).text, '[]\n');
});

test('POST refuses a body it cannot read: an unknown Content-Type without a word, a bad dtab with the reason', async t => {
  const rig = await startRig(t);
  for (const headers of [{}, { 'content-type': 'image/png' }, { 'content-type': 'nonsense' }] as Record<
    string,
    string
  >[]) {
    const answer = await rig.ask('POST', 'dtabs/tea', headers, '/a=>/b');
    assert.deepEqual([answer.status, answer.text], [400, ''], JSON.stringify(headers));
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

test('PUT writes whatever there was; with If-Match only if that is the version, quoted or not', async t => {
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
  const absent = await rig.ask('PUT', 'dtabs/none', { ...asDtab, 'if-match': 'AAAAAAAAAAE=' }, '');
  assert.equal(absent.status, 404);
});

test('PUT says which Content-Type it cannot read, and why a dtab is bad', async t => {
  const rig = await startRig(t);
  const typed = await rig.ask('PUT', 'dtabs/tea', { 'content-type': 'application/xml' }, '');
  assert.deepEqual([typed.status, typed.text], [400, 'Invalid Content-Type "application/xml". ']);
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

test('what the store forbids is 403 for every method, what it cannot do is 503', async t => {
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
      assert.equal((await rig.ask(method, target, headers, '')).status, status, method);
    rig.store.state.next({ state: 'failed', error });
    for (const [method, target] of reads) {
      const answer = await rig.ask(method, target);
      assert.equal(answer.status, status, target);
      if (method === 'GET') assert.match(answer.text, /its ACL/);
    }
    rig.store.state.next(undefined);
  }
});

test('a store that does not answer is given up, with 503', async t => {
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

test('validate=true says what is questionable and stores nothing', async t => {
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

test('the history of a namespace can be read and any of it restored', async t => {
  const rig = await startRig(t);
  await rig.put('tea', '/a=>/1');
  await rig.put('tea', '/a=>/2');
  const history = (await rig.ask('GET', 'dtabs/tea/history')).json;
  assert.deepEqual(history, [
    { version: 'AAAAAAAAAAE=', at: '1970-01-01T00:16:40.000Z', dtab: [{ prefix: '/a', dst: '/1' }] },
  ]);
  const checked = await rig.ask('POST', 'dtabs/tea/restore?version=AAAAAAAAAAE%3D&validate=1');
  assert.deepEqual(checked.json, { valid: true, dtab: [{ prefix: '/a', dst: '/1' }], warnings: [] });
  assert.equal((await rig.ask('HEAD', 'dtabs/tea')).headers.etag, 'AAAAAAAAAAI=', 'a dry run stores nothing');
  const restored = await rig.ask('POST', 'dtabs/tea/restore?version=AAAAAAAAAAE%3D');
  assert.deepEqual([restored.status, restored.headers.etag], [204, 'AAAAAAAAAAM=']);
  assert.equal((await rig.ask('GET', 'dtabs/tea', { accept: 'text/plain' })).text, '/a=>/1\n');
  assert.equal((await rig.ask('POST', 'dtabs/tea/restore?version=AAAAAAAAAEE%3D')).status, 404);
  assert.equal((await rig.ask('GET', 'dtabs/none/history')).status, 404);
});
