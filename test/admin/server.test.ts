/** The admin API: every path, every status, and who may call it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { startAdmin } from '../../src/admin/proxy/server.ts';
import type { AdminView, RouteView } from '../../src/admin/proxy/view.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { within } from '../support/waiting.ts';

const route: RouteView = {
  router: 'edge',
  dst: '/svc/web',
  state: 'bound',
  since: '2026-12-01T00:00:00.000Z',
  ageMs: 1200,
  tree: { type: 'leaf', bound: { addr: { type: 'bound', addrs: [], meta: {} }, id: '/#/io.l5d.fs/web', path: '/' } },
  endpoints: [
    {
      address: '10.0.0.1:80',
      branch: '/#/io.l5d.fs/web',
      weight: 1,
      state: 'available',
      since: '2026-12-01T00:00:00.000Z',
      open: 3,
      connecting: 0,
      consecutiveFailures: 0,
    },
  ],
};

interface Admin {
  readonly calls: readonly string[];
  readonly address: string;
  readonly port: number;
  ask(method: string, path: string, headers?: Record<string, string>, body?: string): Promise<Answer>;
  /** Resolves when the view is called by this name. */
  called(name: string): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

async function admin(t: TestContext, view: Partial<AdminView> = {}): Promise<Admin> {
  const calls: string[] = [];
  const waiting = new Map<string, () => void>();
  const call = (name: string) => {
    calls.push(name);
    waiting.get(name)?.();
  };
  const registry = new Registry({ pages: 1 });
  registry.scope({ rt: 'edge' }).counter('l5d:route_found');
  const proxy: AdminView = {
    config: () => ({ routers: [{ label: 'edge' }], consul: { token: 'abc' } }),
    routes: () => [route],
    delegate: async (router, path) => ({ type: 'neg', path, router: router ?? 'first' }),
    ready: () => ({ ready: true, waitingFor: [] }),
    shutdown: () => call('shutdown'),
    abort: () => call('abort'),
    reload: async () => {},
    ...view,
  };
  const server = await startAdmin({
    ip: '127.0.0.1',
    port: 0,
    proxy,
    registry,
    log: silentLog,
    delegateTimeoutMs: 30,
  });
  t.after(() => server.close());
  return {
    calls,
    address: server.address,
    port: Number(server.address.split(':')[1]),
    async ask(method, path, headers = {}, body) {
      const response = await request(`http://${server.address}${path}`, { method: method as 'GET', headers, body });
      const answer = await response.body.text();
      const isJson = String(response.headers['content-type']).startsWith('application/json') && answer !== '';
      return {
        status: response.statusCode,
        headers: response.headers,
        text: answer,
        json: isJson ? JSON.parse(answer) : undefined,
      };
    },
    called: name => within(new Promise(resolve => waiting.set(name, resolve)), `a call of ${name}`),
    close: () => server.close(),
  };
}

const errorCode = (answer: Answer) => (answer.json as { error: { code: string } }).error.code;

const never = new Promise<never>(() => {});
const refuse = (code: 'NAME_INVALID' | 'ROUTER_UNKNOWN' | 'NAME_FAILED' | 'NAMERD_UNREACHABLE') => ({
  delegate: () => Promise.reject(new LinkerdTcpError(code)),
});

const table: readonly [
  what: string,
  method: string,
  path: string,
  status: number,
  code?: string,
  view?: Partial<AdminView>,
][] = [
  ['lists what there is', 'GET', '/', 200],
  ['exposes metrics', 'GET', '/metrics', 200],
  ['answers ping', 'GET', '/ping', 200],
  ['ignores the query', 'GET', '/ping?a=b', 200],
  ['ignores a trailing slash', 'GET', '/ping/', 200],
  ['answers HEAD as GET', 'HEAD', '/metrics', 200],
  ['is ready', 'GET', '/ready', 200],
  ['is not ready', 'GET', '/ready', 503, undefined, { ready: () => ({ ready: false, waitingFor: ['/svc/web'] }) }],
  ['shows the config', 'GET', '/config.json', 200],
  ['shows the routes', 'GET', '/routes.json', 200],
  ['explains a path', 'GET', '/delegator.json?path=/svc/web', 200],
  ['needs a path to explain', 'GET', '/delegator.json', 400, 'PARAMETER_MISSING'],
  ['needs a path that is not empty', 'GET', '/delegator.json?path=', 400, 'PARAMETER_MISSING'],
  ['needs one path', 'GET', '/delegator.json?path=/a&path=/b', 400, 'REQUEST_INVALID'],
  ['refuses what is no path', 'GET', '/delegator.json?path=x', 400, 'NAME_INVALID', refuse('NAME_INVALID')],
  ['knows its routers', 'GET', '/delegator.json?path=/x&router=y', 404, 'ROUTER_UNKNOWN', refuse('ROUTER_UNKNOWN')],
  ['tells that naming failed', 'GET', '/delegator.json?path=/x', 502, 'NAME_FAILED', refuse('NAME_FAILED')],
  [
    'tells that namerd is away',
    'GET',
    '/delegator.json?path=/x',
    502,
    'NAMERD_UNREACHABLE',
    refuse('NAMERD_UNREACHABLE'),
  ],
  ['waits no longer than its bound', 'GET', '/delegator.json?path=/x', 503, 'TIMED_OUT', { delegate: () => never }],
  ['reloads', 'POST', '/reload', 200],
  [
    'reports a bad config',
    'POST',
    '/reload',
    400,
    'CONFIG_INVALID',
    {
      reload: async () => {
        throw new LinkerdTcpError('CONFIG_INVALID', { report: 'no' });
      },
    },
  ],
  ['knows no other path', 'GET', '/nope', 404, 'NOT_FOUND'],
  ['knows no other path by POST', 'POST', '/nope', 404, 'NOT_FOUND'],
  ['refuses GET where POST belongs', 'GET', '/shutdown', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses HEAD where POST belongs', 'HEAD', '/abort', 405],
  ['refuses PUT', 'PUT', '/reload', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses POST where GET belongs', 'POST', '/metrics', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses DELETE', 'DELETE', '/routes.json', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses OPTIONS', 'OPTIONS', '/ready', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses a method nobody knows', 'PROPFIND', '/ping', 405, 'METHOD_NOT_ALLOWED'],
  ['refuses a URL that cannot be decoded', 'GET', '/%zz', 400, 'REQUEST_INVALID'],
  ['hides an internal error', 'GET', '/routes.json', 500, 'INTERNAL', { routes: () => assert.fail('a defect') }],
];

for (const [what, method, path, status, code, view] of table) {
  test(`${what}: ${method} ${path} is ${status}`, async t => {
    const answer = await (await admin(t, view)).ask(method, path);
    assert.equal(answer.status, status);
    if (code !== undefined) assert.equal(errorCode(answer), code);
    if (method === 'HEAD') assert.equal(answer.text, '');
    assert.equal(answer.headers['cache-control'] ?? 'no-store', 'no-store');
  });
}

test('metrics are served as Prometheus expects them, as they are now', async t => {
  const answer = await (await admin(t)).ask('GET', '/metrics');
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(answer.text, /^l5d:route_found\{rt="edge"\} 0$/m);
});

test('the answers of GET are what the proxy says', async t => {
  const { ask } = await admin(t);
  assert.equal((await ask('GET', '/ping')).text, 'pong');
  assert.deepEqual((await ask('GET', '/ready')).json, { ready: true, waitingFor: [] });
  assert.deepEqual((await ask('GET', '/config.json')).json, {
    routers: [{ label: 'edge' }],
    consul: { token: '(hidden)' },
  });
  assert.deepEqual((await ask('GET', '/routes.json')).json, [route]);
  assert.deepEqual((await ask('GET', '/delegator.json?path=%2Fsvc%2Fweb&router=edge')).json, {
    type: 'neg',
    path: '/svc/web',
    router: 'edge',
  });
});

test('the answer to an unknown path lists the paths, the answer to a wrong method the right ones', async t => {
  const { ask } = await admin(t);
  const paths = '/ /metrics /ping /ready /config.json /routes.json /delegator.json /shutdown /abort /reload';
  assert.deepEqual((await ask('GET', '/nope?x=1')).json, {
    error: { code: 'NOT_FOUND', message: `/nope does not exist; try ${paths}` },
  });
  for (const path of paths.split(' ')) {
    const answer = await ask('PATCH', path);
    const isGet = (await ask('HEAD', path)).status !== 405;
    assert.equal(answer.headers['allow'], isGet ? 'GET, HEAD' : 'POST', path);
  }
});

test('the list names every path', async t => {
  const answer = await (await admin(t)).ask('GET', '/');
  assert.match(answer.text, /^POST \/shutdown {8}\S/m);
  assert.equal(answer.text.trimEnd().split('\n').length, 10);
});

test('shutdown is answered before it begins', async t => {
  const proxy = await admin(t);
  const called = proxy.called('shutdown');
  const answer = await proxy.ask('POST', '/shutdown');
  assert.deepEqual([answer.status, answer.text], [200, '']);
  await called;
  assert.deepEqual(proxy.calls, ['shutdown']);
});

test('shutdown also happens when the client does not wait for the answer', async t => {
  const proxy = await admin(t);
  const called = proxy.called('shutdown');
  const socket = connect(proxy.port, '127.0.0.1');
  socket.write('POST /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n', () => socket.resetAndDestroy());
  await called;
});

test('abort does not wait for anything', async t => {
  const proxy = await admin(t);
  await proxy.ask('POST', '/abort');
  assert.deepEqual(proxy.calls, ['abort']);
});

test('a body of any type is read and ignored, one beyond the limit is refused', async t => {
  const { ask } = await admin(t);
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
    assert.equal((await ask('POST', '/reload', { 'content-type': type }, '{nonsense')).status, 200, type);
  }
  const tooLarge = await ask('POST', '/reload', { 'content-type': 'text/plain' }, 'x'.repeat(20_000));
  assert.deepEqual([tooLarge.status, errorCode(tooLarge)], [413, 'REQUEST_INVALID']);
});

test('a page of another site cannot control the process', async t => {
  const proxy = await admin(t);
  const own = `http://${proxy.address}`;
  const local = `localhost:${proxy.port}`;
  for (const [origin, host, isAllowed] of [
    [undefined, proxy.address, true],
    [own, proxy.address, true],
    [`http://${local}`, local, true],
    ['http://[::1]:9989', '[::1]:9989', true],
    [`http://${hostname().toLowerCase()}:1`, `${hostname().toLowerCase()}:1`, true],
    ['https://evil.example', proxy.address, false],
    ['null', proxy.address, false],
    ['', proxy.address, false],
    [`http://127.0.0.1:${proxy.port + 1}`, proxy.address, false],
  ] as const) {
    const answer = await proxy.ask('POST', '/reload', { host, ...(origin !== undefined && { origin }) });
    assert.equal(answer.status, isAllowed ? 200 : 403, `${origin} at ${host}`);
    if (!isAllowed) assert.equal(errorCode(answer), 'ORIGIN_REFUSED');
  }
  assert.equal((await proxy.ask('GET', '/ping', { origin: 'https://evil.example' })).status, 200);
});

test('on loopback a foreign host name is refused, for reads too: a page may point its own name at this address', async t => {
  const proxy = await admin(t);
  for (const [method, path] of [
    ['GET', '/config.json'],
    ['GET', '/metrics'],
    ['POST', '/reload'],
  ]) {
    const host = `evil.example:${proxy.port}`;
    const answer = await proxy.ask(method, path, { host, origin: `http://${host}` });
    assert.deepEqual([answer.status, errorCode(answer)], [421, 'HOST_REFUSED'], path);
  }
  const crossSite = await proxy.ask('POST', '/reload', { 'sec-fetch-site': 'cross-site' });
  assert.deepEqual([crossSite.status, errorCode(crossSite)], [403, 'ORIGIN_REFUSED']);
});

test('an address in use is an error of the operator, with the reason', async t => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const proxy = {} as AdminView;
  const started = startAdmin({ ip: '127.0.0.1', port, proxy, registry: new Registry({ pages: 1 }), log: silentLog });
  await assert.rejects(started, {
    code: 'CANNOT_LISTEN',
    message: `cannot listen on 127.0.0.1:${port}: address already in use (EADDRINUSE)`,
  });
});

test('bytes that are not HTTP are refused, and other clients are still answered', async t => {
  const { port, ask } = await admin(t);
  const socket = connect(port, '127.0.0.1');
  socket.end('\x16\x03\x01 not a request\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 400 /);
  assert.equal((await ask('GET', '/ping')).status, 200);
});

test('closing does not wait for clients that hold their connection', async t => {
  const proxy = await admin(t);
  const socket = connect(proxy.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  const closed = once(socket, 'close');
  socket.on('error', () => {});
  await within(proxy.close(), 'the admin server to close');
  await closed;
});
