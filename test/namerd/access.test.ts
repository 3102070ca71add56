/** Bearer tokens: their rights, and answers to requests without a right reveal nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { Access, type AccessRules, digestOf } from '../../src/namerd/access/access.ts';
import type { Denial } from '../../src/namerd/access/denial.ts';
import type { ApiOptions } from '../../src/namerd/http/api-options.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';
import { startRig } from './rig.ts';

const asDtab = { 'content-type': 'application/dtab' };
const asJson = { 'content-type': 'application/json' };

const secretOf = (name: string) => `${name}-0123456789abcdef`;
const by = (name: string) => ({ authorization: `Bearer ${secretOf(name)}` });

const tokens = [
  { name: 'all', read: [], write: ['*'] },
  { name: 'web', read: ['web'], write: [] },
  { name: 'team', read: ['shared'], write: ['team-a/*'] },
];

async function guardedRig(t: Scope, rules: Partial<AccessRules> = {}, api: Partial<ApiOptions> = {}) {
  const access = new Access({ anonymous: 'none', tokens, ...rules });
  for (const { name } of tokens) access.accept(name, [digestOf(secretOf(name))]);
  const denials: Denial[] = [];
  const rig = await startRig(t, { api: { access, denied: denial => void denials.push(denial), ...api } });
  const put = async (namespace: string, dtab: string) => {
    const body = dtab === '' ? '[]' : dtab;
    const headers = { ...(dtab === '' ? asJson : asDtab), ...by('all') };
    const { status } = await rig.ask('PUT', `dtabs/${namespace}`, headers, body);
    assert.equal(status, 204);
  };
  return { ...rig, access, denials, put };
}

/** One request of every kind that there is about a namespace, and the right it takes. */
const requests = (namespace: string) =>
  [
    ['read', 'GET', `dtabs/${namespace}`],
    ['read', 'HEAD', `dtabs/${namespace}`],
    ['read', 'OPTIONS', `dtabs/${namespace}`],
    ['read', 'GET', `dtabs/${namespace}/history`],
    ['read', 'GET', `dtabs/${namespace}/history/`],
    ['read', 'PUT', `dtabs/${namespace}?validate=1`],
    ['read', 'POST', `dtabs/${namespace}?validate=true`],
    ['write', 'PUT', `dtabs/${namespace}`],
    ['write', 'PUT', `dtabs/${namespace}?validate=no`],
    ['write', 'POST', `dtabs/${namespace}`],
    ['write', 'DELETE', `dtabs/${namespace}`],
    ['write', 'POST', `dtabs/${namespace}/restore?version=AAAAAAAAAAE%3D`],
    ['write', 'POST', `dtabs/${namespace}/restore?version=AAAAAAAAAAE%3D&validate=1`],
    ['read', 'GET', `bind/${namespace}?path=/a`],
    ['read', 'POST', `bind/${namespace}?path=/a`],
    ['read', 'GET', `addr/${namespace}?path=/$/inet/127.1/80`],
    ['read', 'GET', `resolve/${namespace}?path=/a`],
    ['read', 'GET', `delegate/${namespace}?path=/a`],
    ['read', 'GET', `delegate?path=/a&namespace=${namespace}`],
    ['read', 'HEAD', `delegate?path=/a&namespace=${namespace}`],
  ] as const;

const elsewhere = ['dtabs', 'dtabs/', 'delegate?path=/a', 'bound-names', 'nothing', '/'];

test('without a token everything except the OpenAPI document is 401, with a challenge', async t => {
  const rig = await guardedRig(t);
  const all = [...requests('web').map(([, method, target]) => [method, target]), ...elsewhere.map(to => ['GET', to])];
  for (const [method, target] of all) {
    const { status, headers, text } = await rig.ask(method, target, asDtab);
    assert.deepEqual([method, target, status], [method, target, 401]);
    assert.equal(headers['www-authenticate'], 'Bearer realm="namerd"');
    if (method !== 'HEAD') assert.equal(text, 'authentication required: send "Authorization: Bearer <token>"');
  }
  assert.equal((await rig.ask('GET', 'openapi.json')).status, 200);
  assert.equal((await rig.ask('HEAD', 'openapi.json')).status, 200);
  assert.equal((await rig.ask('POST', 'openapi.json')).status, 401);
});

test('an unknown token is 401, however it is written; another scheme is not a token', async t => {
  const rig = await guardedRig(t, { anonymous: 'read' });
  for (const authorization of [
    'Bearer nonsense-0123456789',
    'Bearer',
    'Bearer ',
    'bearer x y',
    `Bearer ${secretOf('web').slice(0, -1)}`,
    `Bearer ${secretOf('web')}0`,
    `Bearer ${secretOf('web')}, Bearer ${secretOf('all')}`,
    `Bearer ${secretOf('WEB')}`,
    `Bearer ${digestOf(secretOf('web')).toString('hex')}`,
  ]) {
    const { status, headers } = await rig.ask('GET', 'dtabs', { authorization });
    assert.equal(status, 401, authorization);
    assert.equal(headers['www-authenticate'], 'Bearer realm="namerd", error="invalid_token"');
  }
  for (const authorization of [`bearer   ${secretOf('web')}`, `BEARER ${secretOf('web')}`])
    assert.equal((await rig.ask('GET', 'dtabs', { authorization })).status, 200, authorization);
  for (const authorization of ['Basic YTpi', 'Bearerx y', ''])
    assert.equal((await rig.ask('GET', 'dtabs', { authorization })).status, 200, authorization);
});

test('a token has exactly its rights, and write includes read', async t => {
  const rig = await guardedRig(t);
  for (const [name, namespace, isReader, isWriter] of [
    ['all', 'web', true, true],
    ['web', 'web', true, false],
    ['web', 'web2', false, false],
    ['web', 'we', false, false],
    ['web', 'Web', false, false],
    ['team', 'team-a/x', true, true],
    ['team', 'team-a/', true, true],
    ['team', 'team-', false, false],
    ['team', 'shared', true, false],
    ['team', 'shared/x', false, false],
    ['team', '*', false, false],
  ] as const)
    for (const [right, method, target] of requests(namespace)) {
      await rig.put(namespace, '/a => /b');
      const { status, headers, text } = await rig.ask(method, target, { ...by(name), ...asDtab }, '');
      const isAllowed = right === 'read' ? isReader : isWriter;
      assert.equal(![401, 403].includes(status), isAllowed, `${name} ${method} ${target}: ${status}`);
      if (isAllowed) continue;
      assert.equal(status, 403);
      assert.equal(headers['www-authenticate'], 'Bearer realm="namerd", error="insufficient_scope"');
      if (method !== 'HEAD')
        assert.ok(text.startsWith(`token ${name} is not allowed to ${right} namespace ${namespace}`), text);
    }
});

test('a refusal depends neither on the stored nor on the sent dtab', async t => {
  const rig = await guardedRig(t, {}, { maxBodyBytes: 100 });
  await rig.put('secret', '/a => /b');
  const bodies = ['', '/a => /b', 'nonsense', `/a => /b${' '.repeat(1000)}`];
  for (const [, method, target] of requests('secret'))
    for (const body of ['PUT', 'POST'].includes(method) ? bodies : [undefined])
      for (const headers of [asDtab, asJson, {}]) {
        const stored = await rig.ask(method, target, { ...by('web'), ...headers }, body);
        const absent = await rig.ask(method, target.replace('secret', 'absent'), { ...by('web'), ...headers }, body);
        assert.equal(stored.status, 403, `${method} ${target}`);
        assert.equal(absent.status, 403);
        assert.equal(stored.text.replace('secret', 'absent'), absent.text);
      }
  assert.equal((await rig.ask('GET', 'bind/secret?path=nonsense', by('web'))).status, 403);
  assert.equal((await rig.ask('GET', 'resolve/secret?path=/a&dtab=nonsense', by('web'))).status, 403);
  assert.equal((await rig.ask('GET', 'delegate?dtab=nonsense&namespace=secret', by('web'))).status, 403);
});

test('no way of writing a path or a parameter leads to another namespace', async t => {
  const rig = await guardedRig(t);
  await rig.put('secret', '/a => /secret');
  await rig.put('web', '/a => /open');
  for (const target of [
    'dtabs/web/../secret',
    'dtabs/web/%2e%2e/secret',
    'dtabs//secret',
    'dtabs/secret/',
    'dtabs/%73ecret',
    'dtabs/secret%20',
    'dtabs/secret;web',
    `${rig.url}/api/1/dtabs/secret`,
    `${rig.url}/api/1/dtabs/secret?namespace=web`,
    'dtabs/secret?x=/dtabs/web',
    'bind/secret?path=/a&namespace=web',
    'delegate/secret?path=/a&namespace=web',
    'delegate?path=/a&namespace=secret&namespace=web',
    'delegate?path=/a&namespace=%73ecret',
    'delegate?path=/a&namespace=',
    'delegate/?path=/a&namespace=secret',
    'dtabs/secret/history/history',
    'dtabs/secret/history/../../web',
    '/api/1/dtabs/../dtabs/secret',
  ])
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      const { status, text } = await rig.ask(method, target, { ...by('web'), ...asDtab });
      assert.ok([403, 404, 405, 415].includes(status), `${method} ${target}: ${status}`);
      assert.ok(!text.includes('/secret =>') && !text.includes('"/secret"'), text);
    }
  for (const target of ['delegate?path=/a&namespace=web&namespace=secret', 'bind/web?path=/a&namespace=secret'])
    assert.ok(!(await rig.ask('GET', target, by('web'))).text.includes('secret'));
  assert.equal((await rig.ask('GET', 'dtabs/secret', { ...by('all'), accept: 'text/plain' })).text, '/a=>/secret\n');
});

test('property: a token neither sees nor changes a namespace without a right to it, whatever it requests', async t => {
  const rig = await guardedRig(t);
  const marker = '/hidden';
  for (const namespace of ['secret', 'web/secret', 'history', 'secret/history'])
    await rig.put(namespace, `/a => ${marker}`);
  await rig.put('web', '/a => /open');
  const [endpoint, piece, parameter] = [
    fc.constantFrom('dtabs', 'bind', 'addr', 'resolve', 'delegate', 'bound-names', 'dtabs/web', '/api/1'),
    fc.constantFrom(
      'web',
      'secret',
      'history',
      'restore',
      '..',
      '.',
      '',
      '%2f',
      '%2e%2e',
      '%73ecret',
      ';',
      '*',
      'team-a',
    ),
    fc.constantFrom(
      'path=/a',
      'namespace=secret',
      'namespace=web',
      'watch=0',
      'validate=1',
      'version=AAAAAAAAAAE%3D',
      'dtab=',
    ),
  ];
  const body = fc.constantFrom('', '/a => /b', '{"namespace":"secret","dtab":"","path":"/a"}', '[]');
  const asked = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'),
    target: fc
      .tuple(endpoint, fc.array(piece, { maxLength: 4 }), fc.array(parameter, { maxLength: 3 }))
      .map(([first, pieces, query]) => `${[first, ...pieces].join('/')}?${query.join('&')}`),
    type: fc.constantFrom('application/json', 'application/dtab'),
    body,
  });
  await fc.assert(
    fc.asyncProperty(asked, async ({ method, target, type, body: sent }) => {
      const headers = { ...by('web'), 'content-type': type };
      const { status, text } = await rig.ask(
        method,
        target,
        headers,
        ['PUT', 'POST', 'PATCH'].includes(method) ? sent : undefined,
      );
      assert.ok(status < 500, `${status} ${text}`);
      assert.ok(!text.includes(marker), text);
      assert.ok(![201, 204].includes(status), `${method} ${target} wrote`);
    }),
    { numRuns: 500 },
  );
  assert.equal(
    (await rig.ask('GET', 'dtabs', by('all'))).text,
    '["history","secret","secret/history","web","web/secret"]\n',
  );
});

test('the namespace in the body of a question takes the right to read it', async t => {
  const rig = await guardedRig(t);
  await rig.put('secret', '/a => /b');
  const ask = (question: object, target = 'delegate') =>
    rig.ask('POST', target, { ...by('web'), ...asJson }, JSON.stringify({ dtab: '', path: '/a', ...question }));
  for (const target of ['delegate', 'delegate?namespace=web', 'delegate/'])
    assert.equal((await ask({ namespace: 'secret' }, target)).status, 403, target);
  assert.equal((await ask({ namespace: 'secret', dtab: 'nonsense' })).status, 403);
  assert.equal((await ask({ namespace: 'web' })).status, 200);
  assert.equal((await ask({ namespace: null }, 'delegate?namespace=secret')).status, 200);
  assert.equal((await ask({})).status, 200);
});

test('a path that ends in /history is the history or the dtab, whichever the token may read', async t => {
  const own = [
    { name: 'whole', read: ['web/history'], write: [] },
    { name: 'past', read: ['web'], write: [] },
  ];
  const rig = await guardedRig(t, { tokens: [...tokens, ...own] });
  for (const { name } of own) rig.access.accept(name, [digestOf(secretOf(name))]);
  const ask = async (name: string) => {
    const { status, text } = await rig.ask('GET', 'dtabs/web/history', by(name));
    const { versions: [first] = JSON.parse(text) } = status === 200 ? JSON.parse(text) : { versions: [{}] };
    return { status, first: Object.keys(first).slice(0, 2) };
  };
  await rig.put('web', '/a => /b');
  assert.equal((await ask('whole')).status, 404, 'not the history of a namespace it may not read');
  const asHistory = { status: 200, first: ['number', 'version'] };
  assert.deepEqual(await ask('past'), asHistory);
  await rig.put('web/history', '/a => /b');
  assert.deepEqual(await ask('whole'), { status: 200, first: ['prefix', 'dst'] });
  assert.deepEqual(await ask('past'), asHistory, 'the same as if there were no such namespace');
  assert.equal((await rig.ask('GET', 'dtabs/web/history?watch=1', by('past'))).status, 403);
});

test('the list and its watch show the namespaces that the token may read', async t => {
  const rig = await guardedRig(t);
  for (const namespace of ['web', 'shared', 'team-a/x', 'secret']) await rig.put(namespace, '');
  for (const [name, expected] of [
    ['all', '["secret","shared","team-a/x","web"]\n'],
    ['web', '["web"]\n'],
    ['team', '["shared","team-a/x"]\n'],
  ])
    assert.equal((await rig.ask('GET', 'dtabs', by(name))).text, expected);
  const watch = await rig.watch('dtabs?watch=1', by('team'));
  assert.deepEqual(await watch.json(), ['shared', 'team-a/x']);
  await rig.put('another', '');
  await rig.put('team-a/y', '');
  assert.deepEqual(await watch.json(), ['shared', 'team-a/x', 'team-a/y']);
});

test('with anonymous read, a write still needs a token', async t => {
  const rig = await guardedRig(t, { anonymous: 'read' });
  for (const [right, method, target] of requests('web')) {
    await rig.put('web', '/a => /b');
    const { status } = await rig.ask(method, target, asDtab);
    assert.equal(status === 401, right === 'write', `${method} ${target}: ${status}`);
  }
  assert.equal((await rig.ask('GET', 'dtabs')).text, '["web"]\n');
  assert.equal((await rig.ask('GET', 'bound-names')).status, 200);
  await rig.put('secret', '');
  assert.equal((await rig.ask('GET', 'dtabs', by('web'))).text, '["secret","web"]\n', 'a token takes nothing away');
  assert.equal((await rig.ask('PUT', 'dtabs/secret', { ...by('web'), ...asDtab }, '')).status, 403);
});

test('a watch ends with its token, and the next token is valid at once', async t => {
  const rig = await guardedRig(t);
  await rig.put('web', '/a => /b');
  const streams = await Promise.all(
    ['dtabs?watch=1', 'dtabs/web?watch=1', 'bind/web?path=/a&watch=1'].map(target => rig.watch(target, by('web'))),
  );
  const other = await rig.watch('dtabs?watch=1', by('all'));
  for (const stream of [...streams, other]) await stream.line();
  rig.access.accept('web', [digestOf(secretOf('web')), digestOf(secretOf('next'))]);
  assert.equal(rig.api.watches, 4, 'a token beside another disturbs nobody');
  rig.access.accept('web', [digestOf(secretOf('next'))]);
  for (const stream of streams) await stream.end();
  await until(() => rig.api.watches === 1, 'the watches to end');
  assert.equal(other.ended, false);
  assert.equal((await rig.ask('GET', 'dtabs/web', by('web'))).status, 401);
  assert.equal((await rig.ask('GET', 'dtabs/web', by('next'))).status, 200);
});

test('a token that is revoked while the body of its request is under way opens no watch and writes nothing', async t => {
  const rig = await guardedRig(t);
  await rig.put('web', '/a => /b');
  const team = await startRequest(t, rig, 'PUT', 'dtabs/team-a/x', by('team'));
  const web = await startRequest(t, rig, 'POST', 'bind/web?path=/a&watch=1', by('web'));
  const all = await startRequest(t, rig, 'POST', 'bind/web?path=/a&watch=1', by('all'));
  for (const { name } of [tokens[1], tokens[2]]) rig.access.accept(name, [digestOf(secretOf('next'))]);
  assert.deepEqual([await team.finish(), await web.finish(), await all.finish()], [401, 401, 200]);
  assert.equal((await rig.ask('GET', 'dtabs', by('all'))).text, '["web"]\n');
  assert.equal(rig.api.watches, 1);
  assert.equal(rig.denials.length, 2);
});

/** Sends a request but for the last byte of its body, which the server waits for. */
async function startRequest(t: Scope, { url }: { url: string }, method: string, target: string, headers: object) {
  const sent = request(`${url}/api/1/${target}`, {
    method,
    headers: { ...headers, ...asDtab, 'content-length': 8, expect: '100-continue' },
    agent: false,
  });
  t.after(() => sent.destroy());
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.write('/a => /');
  return {
    finish: async () => {
      sent.end('b');
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      return response.statusCode;
    },
  };
}

test('a page of another site cannot write, token or not', async t => {
  const rig = await guardedRig(t);
  const { status, text } = await rig.ask('PUT', 'dtabs/web', { ...by('all'), ...asDtab, origin: 'http://evil' }, '');
  assert.equal(status, 403);
  assert.match(text, /from http:\/\/evil rejected/);
});

test('refused requests are reported with the name of the token and the reason; writes are logged, tokens are not', async t => {
  const rig = await guardedRig(t);
  await rig.put('web', '');
  await rig.ask('GET', 'dtabs/web');
  await rig.ask('GET', 'dtabs/web?path=/a', { authorization: 'Bearer nonsense-0123456789' });
  await rig.ask('GET', 'dtabs/secret', by('web'));
  await rig.ask('DELETE', 'dtabs/web', by('web'));
  await rig.ask('GET', 'dtabs/web', by('web'));
  assert.deepEqual(
    rig.denials.map(({ reason, token, method, path, ip }) => [reason, token, method, path, ip]),
    [
      ['no_token', undefined, 'GET', '/api/1/dtabs/web', '127.0.0.1'],
      ['unknown_token', undefined, 'GET', '/api/1/dtabs/web', '127.0.0.1'],
      ['read', 'web', 'GET', '/api/1/dtabs/secret', '127.0.0.1'],
      ['write', 'web', 'DELETE', '/api/1/dtabs/web', '127.0.0.1'],
    ],
  );
  await rig.ask('POST', 'dtabs/web/restore?version=AAAAAAAAAAE%3D&validate=1', by('all'));
  assert.deepEqual(
    rig.log.lines,
    ['info: PUT /api/1/dtabs/web by token all from 127.0.0.1'],
    'a dry run writes nothing',
  );
  assert.ok(!/0123456789/.test(JSON.stringify([rig.denials, rig.log.lines])));
});
