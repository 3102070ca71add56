/** The HTTP client that the clients of namerd, Consul and Kubernetes share: bounds, and what is known of a request that failed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { HttpClient, type HttpRequest } from '../../../src/clients/http/client.ts';
import { excerptOf } from '../../../src/clients/http/excerpt.ts';
import { HttpFailure, httpFailure } from '../../../src/clients/http/failure.ts';
import { outcomeOf, outcomeOfStatus } from '../../../src/clients/outcome.ts';
import { until } from '../../support/waiting.ts';

async function server(t: TestContext, listener: RequestListener): Promise<string> {
  const http = createServer(listener).listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

function client(t: TestContext, origin: string, maxBodyBytes = 1000): HttpClient {
  const made = new HttpClient({ origin, connectTimeoutMs: 5000, maxBodyBytes });
  t.after(() => made.close());
  return made;
}

const get = (path = '/', more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  path,
  timeoutMs: 5000,
  ...more,
});

async function failure(answer: Promise<unknown>): Promise<HttpFailure> {
  const error = await answer.then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HttpFailure, String(error));
  return error;
}

test('any status is an answer, with its headers and its body', async t => {
  const origin = await server(t, (_request, response) => {
    response.writeHead(418, { 'x-index': ['7', '8'] }).end('short and stout');
  });
  const { status, headers, text } = await client(t, origin).request(get());
  assert.deepEqual([status, headers['x-index'], text], [418, '7', 'short and stout']);
});

test('an answer that is too long is refused; an explanation that is too long is cut', async t => {
  const origin = await server(t, ({ url }, response) => {
    response.writeHead(url === '/good' ? 200 : 500).end('x'.repeat(200_000));
  });
  const http = client(t, origin);
  const tooLong = await failure(http.request(get('/good')));
  assert.deepEqual([tooLong.kind, tooLong.message], ['tooLong', 'the answer is longer than 1000 bytes']);
  assert.equal((await http.request(get('/bad'))).text.length, 64 * 1024);
});

test('a server that never answers, or never finishes, is given up at the deadline', async t => {
  const origin = await server(t, ({ url }, response) => {
    if (url === '/begun') response.writeHead(200).write('…');
  });
  for (const path of ['/silent', '/begun']) {
    const late = await failure(client(t, origin).request(get(path, { timeoutMs: 50 })));
    assert.deepEqual([late.kind, late.message], ['timeout', 'no complete answer within 50 ms']);
  }
});

test('whoever aborts gets its own reason', async t => {
  const origin = await server(t, () => {});
  const stop = new AbortController();
  const answer = client(t, origin).request(get('/', { signal: stop.signal }));
  const reason = new Error('no longer needed');
  stop.abort(reason);
  await assert.rejects(answer, reason);
});

test('requests that wait for a change never make a short one queue', async t => {
  let waiting = 0;
  const origin = await server(t, ({ url }, response) => {
    if (url === '/wait') waiting++;
    else response.end('short');
  });
  const http = client(t, origin);
  const stop = new AbortController();
  const waits = Array.from({ length: 40 }, () =>
    http.request(get('/wait', { isWaiting: true, signal: stop.signal })).catch(() => 'cut'),
  );
  await until(() => waiting === 40, 'all of them wait');
  assert.equal((await http.request(get('/short'))).text, 'short');
  stop.abort();
  await Promise.all(waits);
});

test('a stream ends its connection, whether it is read to its end or abandoned', async t => {
  let open = 0;
  const origin = await server(t, ({ url, socket }, response) => {
    open++;
    socket.once('close', () => open--);
    response.writeHead(200).write('begun');
    if (url === '/ends') response.end();
  });
  const http = client(t, origin);
  const ending = await http.stream({ ...get('/ends'), signal: new AbortController().signal });
  assert.ok('body' in ending);
  assert.equal(String(await ending.body.toArray()), 'begun');
  const stop = new AbortController();
  const endless = await http.stream({ ...get('/goes-on'), signal: stop.signal });
  assert.ok('body' in endless);
  stop.abort();
  await until(() => open === 0, 'both connections are closed');
});

test('a request that was certainly not carried out is told apart from one that may have been', async t => {
  const put = get('/', { method: 'PUT', body: '{}' });
  const absent = createTcpServer().listen(0, '127.0.0.1');
  await once(absent, 'listening');
  const { port } = absent.address() as AddressInfo;
  absent.close();
  await once(absent, 'close');
  const refused = await failure(client(t, `http://127.0.0.1:${port}`).request(put));
  assert.deepEqual([refused.kind, refused.code, outcomeOf(refused)], ['connect', 'ECONNREFUSED', 'none']);

  const resetting = await server(t, ({ socket }) => socket.resetAndDestroy());
  const reset = await failure(client(t, resetting).request(put));
  assert.deepEqual([reset.kind, outcomeOf(reset)], ['cut', 'unknown']);

  const plain = createTcpServer(socket => socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1');
  t.after(() => plain.close());
  await once(plain, 'listening');
  const stranger = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const malformed = await failure(client(t, `http://${stranger}`).request(put));
  assert.deepEqual([malformed.kind, outcomeOf(malformed)], ['malformed', 'unknown']);
  const handshake = await failure(client(t, `https://${stranger}`).request(put));
  assert.deepEqual([handshake.kind, outcomeOf(handshake)], ['connect', 'none']);

  const closed = client(t, resetting);
  await closed.close();
  assert.equal(outcomeOf(await failure(closed.request(put))), 'none');
});

test('the same error code says nothing sent while connecting, and nothing certain afterwards', () => {
  for (const code of ['ETIMEDOUT', 'EHOSTUNREACH', 'EPROTO', 'ECONNRESET', 'HPE_INVALID_CONSTANT']) {
    const broken = httpFailure(Object.assign(new Error(code), { code }));
    assert.equal(outcomeOf(broken), 'unknown', code);
  }
  assert.equal(outcomeOf(new Error('anything else')), 'unknown');
});

test('a refusal by status is certain below 500, except 408', () => {
  assert.deepEqual([400, 403, 404, 409, 422, 429].map(outcomeOfStatus), Array(6).fill('none'));
  assert.deepEqual([200, 408, 500, 502, 503, 504].map(outcomeOfStatus), Array(6).fill('unknown'));
});

test('an excerpt is one short line without our secrets, also where it is cut', () => {
  assert.equal(excerptOf(' a\n\tb '), 'a b');
  assert.equal(excerptOf('a'.repeat(500)).length, 301);
  const secret = 's3cr3t'.repeat(10);
  const cut = excerptOf(`${'a'.repeat(290)}${secret}`, [secret]);
  assert.equal(cut.includes('s3cr3t'), false);
  assert.ok(cut.endsWith('(hidden)') || cut.endsWith('…'));
});
