/** Whatever a client sends: an answer with a status of the API's own, or the end of the connection; never 500, never silence. */
import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { neg } from '../../src/dtab/name-tree.ts';
import { failed, ok, pending } from '../../src/live/activity.ts';
import { boundTo, fixedAddr } from '../support/fake-namer.ts';
import type { Scope } from '../support/scope.ts';
import { until, within } from '../support/waiting.ts';
import { type Rig, startRig } from './rig.ts';

/** 500 is for a namer that failed, which no rule or path of these tests leads to. */
const statuses = [200, 204, 400, 403, 404, 405, 409, 412, 413, 415, 503];

async function rigWithNames(t: Scope): Promise<Rig> {
  const rig = await startRig(t, {
    api: { answerTimeoutMs: 5, addrWaitMs: 5, maxBodyBytes: 2000, heartbeatMs: 60_000 },
  });
  rig.namer.answer('/foo', boundTo('/#/io.l5d.namer/foo', '/', fixedAddr(1)));
  rig.namer.answer('/none', ok(neg));
  rig.namer.answer('/slow', pending);
  await rig.put('tea', '/svc => /#/io.l5d.namer; /u => 1*/svc/foo & 2*/svc/none');
  return rig;
}

const dtabText = fc.oneof(
  fc.constantFrom(
    '',
    '/a=>/b',
    '/svc => /#/io.l5d.namer/foo;',
    '/loop=>/loop/x',
    '/a=>!|~&$',
    '/a=>',
    'nonsense',
    ';;',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const pathText = fc.oneof(
  fc.constantFrom(
    '/svc/foo',
    '/#/io.l5d.namer/foo',
    '/u',
    '/',
    '',
    'x',
    '/$/inet/127.1/1',
    '/svc/slow',
    '/svc/none',
    '/%/a',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const jsonText = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    '[]',
    '[null]',
    '[{"prefix":"/a","dst":"/b"}]',
    '{"dtab":"","path":"/a"}',
    '{"dtab":1}',
    '[{"prefix":"/a"}',
  ),
);
const namespace = fc.oneof(
  fc.constantFrom(
    '',
    'tea',
    'tea/',
    'tea/history',
    'tea/restore',
    'a/b',
    '%00',
    '..',
    '.',
    'x'.repeat(300),
    '%E0%A4%A',
  ),
  fc.string({ unit: fc.constantFrom(...'abc/%.~!*:@&=+$,;[]\'"<>{}|^`\\'), maxLength: 12 }),
);
const query = fc
  .array(
    fc.oneof(
      fc.tuple(fc.constant('path'), pathText),
      fc.tuple(fc.constant('dtab'), dtabText),
      fc.tuple(fc.constant('namespace'), fc.constantFrom('tea', 'other', '')),
      fc.tuple(fc.constant('flatten'), fc.constantFrom('weighted', 'x', '')),
      fc.tuple(fc.constant('validate'), fc.constantFrom('true', 'x')),
      fc.tuple(fc.constant('version'), fc.constantFrom('AAAAAAAAAAE=', '*', '', '%')),
      fc.tuple(fc.constant('watch'), fc.constantFrom('0', 'no', 'f')),
      fc.tuple(fc.string({ unit: 'binary', maxLength: 5 }), fc.string({ unit: 'binary', maxLength: 5 })),
    ),
    { maxLength: 4 },
  )
  .map(pairs => new URLSearchParams(pairs.map(([key, value]) => [key, value.toWellFormed()])).toString());
/** Queries that no library would write. */
const rawQuery = fc.string({ unit: fc.constantFrom(...'pathdtb=&?%/+;2F'), maxLength: 30 });
const headerValue = fc.oneof(
  fc.constantFrom(
    ...['application/dtab', 'application/json', 'text/plain', 'application/json;charset=UTF-8', '*/*', '', ',', ';'],
    ...[
      'AAAAAAAAAAE=',
      '"AAAAAAAAAAE="',
      'W/"x"',
      '*',
      'yolo',
      'multipart/form-data; boundary=x',
      'http://evil.example',
    ],
  ),
  fc.string({ unit: fc.integer({ min: 32, max: 126 }).map(code => String.fromCharCode(code)), maxLength: 20 }),
);
const headers = fc.dictionary(
  fc.constantFrom(
    'accept',
    'content-type',
    'if-match',
    'origin',
    'accept-encoding',
    'content-encoding',
    'x-http-method',
  ),
  headerValue,
  { maxKeys: 3 },
);
const request = fc.record({
  method: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('GET', 'PUT', 'POST', 'HEAD', 'DELETE') },
    fc.constantFrom(...METHODS.filter(method => method !== 'CONNECT')),
  ),
  endpoint: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('dtabs', 'bind', 'addr', 'resolve', 'delegate', 'bound-names') },
    fc.string({ unit: fc.constantFrom(...'dtabs/%x'), maxLength: 8 }),
  ),
  namespace,
  query: fc.oneof({ weight: 4, arbitrary: query }, rawQuery),
  headers,
  body: fc.oneof(dtabText, jsonText, fc.string({ unit: 'binary', maxLength: 40 }), fc.constant('x'.repeat(3000))),
});

const isWriteLine = /^info: (PUT|POST|DELETE) \/api\/1\/dtabs\/.* by 127\.0\.0\.1 without a token$/;

test('property: any well-formed request is answered in time, with a status of the documentation and its headers', async t => {
  const rig = await rigWithNames(t);
  await fc.assert(
    fc.asyncProperty(request, async ({ method, endpoint, namespace: ns, query: asked, headers: given, body }) => {
      const target = `/api/1/${endpoint}${ns === '' ? '' : `/${ns}`}${asked === '' ? '' : `?${asked}`}`;
      const withBody = !['GET', 'HEAD'].includes(method);
      const answer = await within(
        rig.ask(
          method,
          target,
          { ...given, ...(withBody && { 'content-length': String(Buffer.byteLength(body)) }) },
          withBody ? body : undefined,
        ),
        `${method} ${target}`,
        5000,
      );
      assert.ok(statuses.includes(answer.status), `${answer.status}: ${answer.text}`);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      if (answer.status === 204) assert.ok(answer.text === '');
      if (answer.headers['content-type'] === 'application/json' && method !== 'HEAD')
        assert.ok(answer.json !== undefined);
    }),
    { numRuns: 1500 },
  );
  assert.deepEqual(
    rig.log.lines.filter(line => !isWriteLine.test(line)),
    [],
  );
  assert.equal(rig.api.watches, 0);
});

test('property: any watch, cut at any moment, is a stream or a refusal, and leaves nothing behind', async t => {
  const rig = await rigWithNames(t);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('dtabs', 'bind', 'addr', 'resolve'),
      namespace,
      pathText,
      dtabText,
      async (endpoint, ns, path, dtab) => {
        const asked = new URLSearchParams({ watch: '1', path: path.toWellFormed(), dtab: dtab.toWellFormed() });
        const stream = await within(rig.watch(`${endpoint}/${ns}?${asked}`), 'the head of an answer', 5000);
        assert.ok([200, 400, 404].includes(stream.response.statusCode!), `${stream.response.statusCode}`);
        stream.leave();
      },
    ),
    { numRuns: 300 },
  );
  await until(() => rig.api.watches === 0, 'the watches to end');
  assert.deepEqual(
    rig.log.lines.filter(line => !isWriteLine.test(line)),
    [],
  );
});

/** Sends bytes, ends the sending, and waits until the connection is over. */
async function exchange(rig: Rig, bytes: Buffer): Promise<string> {
  const { hostname, port } = new URL(rig.url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.setEncoding('latin1').on('data', chunk => {
    received += chunk;
  });
  // The server may reset a request that it has refused.
  socket.on('error', () => {});
  const over = Promise.withResolvers<void>();
  socket.on('close', () => over.resolve());
  socket.end(bytes);
  await within(over.promise, `the end of a connection that was sent ${JSON.stringify(bytes.toString('latin1'))}`, 5000);
  return received;
}

const firstLines = (received: string) => received.match(/^HTTP\/1\.1 \d{3}/gm) ?? [];

test('property: bytes that are no HTTP are answered with 400 or another refusal, or the connection is closed', async t => {
  const rig = await rigWithNames(t);
  const fragment = fc.constantFrom(
    ...[
      'GET ',
      'PUT ',
      'FOO ',
      '/api/1/dtabs',
      '/api/1/dtabs/tea',
      ' HTTP/1.1',
      ' HTTP/1.0',
      ' HTTP/9.9',
      '\r\n',
      '\n',
      '\r',
    ],
    ...[
      'host: localhost\r\n',
      'content-length: 3\r\n',
      'content-length: -1\r\n',
      'content-length: 99999999999999999999\r\n',
    ],
    ...[
      'transfer-encoding: chunked\r\n',
      '0\r\n\r\n',
      'zz\r\n',
      'expect: 100-continue\r\n',
      'expect: x\r\n',
      'a:\0b\r\n',
    ],
    ...[
      'upgrade: websocket\r\nconnection: upgrade\r\n',
      'content-type: application/dtab\r\n',
      ': x\r\n',
      '\0',
      '/a=>/b',
    ],
  );
  const bytes = fc.oneof(
    fc.array(fragment, { maxLength: 12 }).map(parts => Buffer.from(parts.join(''), 'latin1')),
    fc.uint8Array({ maxLength: 60 }).map(each => Buffer.from(each)),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async sent => {
      for (const line of firstLines(await exchange(rig, sent)))
        assert.match(line, /^HTTP\/1\.1 (100|200|204|400|403|404|405|408|412|413|415|417|431|503)$/);
    }),
    { numRuns: 400 },
  );
  assert.equal((await rig.ask('GET', 'bound-names')).status, 200, 'it goes on');
  assert.deepEqual(
    rig.log.lines.filter(line => !isWriteLine.test(line)),
    [],
  );
});

for (const [what, sent, expected] of [
  ['a request line that is none', 'nonsense\r\n\r\n', ['HTTP/1.1 400']],
  ['a request without a host', 'GET /api/1/dtabs HTTP/1.1\r\n\r\n', ['HTTP/1.1 400']],
  [
    'headers without end',
    `GET /api/1/dtabs HTTP/1.1\r\nhost: localhost\r\na: ${'x'.repeat(20_000)}\r\n\r\n`,
    ['HTTP/1.1 431'],
  ],
  [
    'two lengths',
    'PUT /api/1/dtabs/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabc',
    ['HTTP/1.1 400'],
  ],
  [
    'a length and chunks, as smugglers send them',
    'PUT /api/1/dtabs/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ['HTTP/1.1 400'],
  ],
  ['a tunnel', 'CONNECT example.org:80 HTTP/1.1\r\nhost: example.org:80\r\n\r\n', []],
  [
    'a body that ends too early',
    'PUT /api/1/dtabs/x HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 30\r\n\r\n/a=>',
    ['HTTP/1.1 400'],
  ],
  ['a version of HTTP before keep-alive', 'GET /api/1/dtabs HTTP/1.0\r\n\r\n', ['HTTP/1.1 200']],
  [
    'requests in a row without waiting for answers',
    `${'GET /api/1/dtabs HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(3)}GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'],
  ],
] as const)
  test(`${what}: ${expected.join(', ') || 'the connection is closed'}`, async t => {
    const rig = await rigWithNames(t);
    assert.deepEqual([...firstLines(await exchange(rig, Buffer.from(sent, 'latin1')))], expected);
    assert.equal((await rig.ask('GET', 'dtabs/x')).status, 404, 'nothing was stored');
  });

test('a namer that fails is 500 with its reason, in one line, and only then', async t => {
  const rig = await rigWithNames(t);
  rig.namer.answer('/bad', failed(new Error('the registry is away')));
  for (const endpoint of ['bind', 'resolve']) {
    const answer = await rig.ask('GET', `${endpoint}/tea?path=/svc/bad`);
    assert.deepEqual([answer.status, answer.text], [500, 'the registry is away']);
  }
});
