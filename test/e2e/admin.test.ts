/** The admin API of the real program: every endpoint, what it says while traffic flows, and how it refuses. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { families } from '../../src/metrics/families.ts';
import { type ParsedFamily, parseExposition } from '../metrics/parse-exposition.ts';
import { fsRouting, type LinkerdTcp, projectRoot, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { boundJson, leafJson, startNamerd } from '../support/namerd.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { refusingPort } from '../support/ports.ts';
import { runProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly allow: string | null;
  readonly body: string;
  /** Parsed; throws when it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely here
  readonly json: any;
}

async function ask(proxy: LinkerdTcp, path: string, method = 'GET'): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${proxy.adminPort}${path}`, {
    method,
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(15_000),
  });
  const body = await response.text();
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    allow: response.headers.get('allow'),
    body,
    get json() {
      return JSON.parse(body);
    },
  };
}

/** A proxy for `/svc/web`, which is service `a` in its discovery directory. */
async function proxyOf(t: TestContext, ports: readonly number[], more: { client?: string; admin?: string } = {}) {
  return startLinkerdTcp(
    t,
    fsRouting({ dtab: '/svc => /#/io.l5d.fs;', disco: { web: ports }, servers: { '/svc/web': '' }, ...more }),
  );
}

/** The names of linkerd-tcp 0.1 with their labels; `cause` and the like come in every value. */
const keptMetrics: Readonly<Record<string, readonly string[]>> = {
  ...labelled(['namespace', 'rt'], ['resolver:request_latency_ms', 'resolver:success_count', 'resolver:failure_count']),
  ...labelled(['rt'], ['route_create', 'route_found', 'route_error', 'route_time_us']),
  ...labelled(
    ['dst', 'rt'],
    [
      ...['available', 'failed', 'retired'].map(state => `balancer:endpoint:${state}`),
      ...['pending', 'open', 'attempts', 'connects', 'latency_us', 'duration_ms'].map(n => `balancer:connection:${n}`),
      ...['balancer:waiters', 'balancer:poll_time_us', 'balancer:unavailable'],
    ],
  ),
  ...labelled(['cause', 'dst', 'rt'], ['balancer:connection:failure']),
  ...labelled(
    ['rt', 'srv_addr'],
    [
      ...['accepts', 'closes', 'failures', 'active', 'waiters', 'connect:latency_us', 'stream:duration_ms'],
      ...['stream:rx_bytes', 'stream:tx_bytes', 'stream:connection_rx_bytes', 'stream:connection_tx_bytes'],
    ].map(name => `srv:${name}`),
  ),
  ...labelled(['cause', 'rt', 'srv_addr'], ['srv:connect:failure', 'srv:stream:failure']),
};

function labelled(labels: readonly string[], names: readonly string[]) {
  return Object.fromEntries(names.map(name => [`l5d:${name}`, labels]));
}

/** A proxy whose names come from a namerd, after traffic of several kinds: every family has something to show. */
async function loaded(t: TestContext) {
  const namerd = await startNamerd(t);
  const [backend, dead] = [await listeningPeer(t), await refusingPort(t)];
  namerd.setBind(
    'default',
    '/svc/web',
    leafJson('/#/io.l5d.fs/web', boundJson([backend.address, `127.0.0.1:${dead}`])),
  );
  namerd.setAddr('/#/io.l5d.fs/web', boundJson([backend.address, `127.0.0.1:${dead}`]));
  const proxy = await startLinkerdTcp(t, {
    config: `
admin: {port: 0}
routers:
- label: edge
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "${namerd.url}", namespace: default, periodSecs: 20}
  servers: [{port: 0, dstName: /svc/web}]
`,
  });
  for (let i = 0; i < 20; i++) {
    const client = await connectPeer(t, proxy.port);
    client.queue(1000);
    const server = await backend.next();
    await server.play('expect 1000', 'send 2k');
    await client.play('expect 2k');
    if (i % 4 === 0) await client.play('reset');
    else await client.play('shutdown', 'expect 0');
    if (i % 4 !== 0) await server.play('expect end', 'shutdown');
  }
  await until(async () => (await proxy.metric('l5d:srv:active')) === 0, 'all connections to have ended');
  return { proxy, backend };
}

test('every metric of linkerd-tcp 0.1 is there with its labels, HELP and TYPE, and promtool parses the scrape', async t => {
  const { proxy } = await loaded(t);
  const { status, type, body } = await ask(proxy, '/metrics');
  assert.equal(status, 200);
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  const scraped = parseExposition(body);
  for (const [name, labels] of Object.entries(keptMetrics)) {
    const family = scraped.get(name) as ParsedFamily;
    assert.ok(family, `${name} is missing`);
    assert.ok(family.samples.length > 0, `${name} has no series`);
    for (const sample of family.samples) {
      const names = Object.keys(sample.labels).filter(label => label !== 'le');
      assert.deepEqual(names.toSorted(), labels, name);
      if ('rt' in sample.labels) assert.equal(sample.labels['rt'], 'edge');
      if ('dst' in sample.labels) assert.equal(sample.labels['dst'], '/svc/web');
      if ('namespace' in sample.labels) assert.equal(sample.labels['namespace'], 'default');
      if ('srv_addr' in sample.labels) assert.equal(sample.labels['srv_addr'], `127.0.0.1:${proxy.port}`);
    }
  }
  const causes = (name: string) =>
    scraped
      .get(name)
      ?.samples.map(({ labels }) => labels['cause'])
      .sort();
  assert.deepEqual(causes('l5d:balancer:connection:failure'), ['other', 'refused', 'timeout']);
  assert.deepEqual(causes('l5d:srv:connect:failure'), ['other', 'timeout']);
  assert.deepEqual(causes('l5d:srv:stream:failure'), ['other', 'timeout']);

  const {
    error,
    status: code,
    stderr,
  } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
  assert.equal(error, undefined, 'promtool is needed: apt-get install prometheus');
  // 3: it would rather have other names.
  assert.ok(code === 0 || code === 3, stderr);
});

test('the metrics count every event', async t => {
  const { proxy } = await loaded(t);
  const value = (name: string, labels = {}) => proxy.metric(`l5d:${name}`, labels);
  assert.equal(await value('srv:accepts', { rt: 'edge' }), 20);
  assert.equal(await value('srv:closes'), 20, 'a client that resets after its answer is no failure');
  assert.equal(await value('srv:failures'), 0);
  assert.equal(await value('srv:stream:failure', { cause: 'other' }), 0);
  assert.equal(await value('srv:stream:end', { cause: '--' }), 15);
  assert.equal(await value('srv:stream:end', { cause: 'RC' }), 5);
  assert.equal(await value('srv:stream:rx_bytes'), 20_000);
  assert.equal(await value('srv:stream:tx_bytes'), 40_960);
  assert.equal(await value('srv:stream:connection_rx_bytes_sum'), 20_000);
  assert.equal(await value('srv:stream:connection_tx_bytes_count'), 20);
  assert.equal(await value('srv:connect:latency_us_count'), 20);
  assert.equal(await value('balancer:connection:connects'), 20);
  const refused = await value('balancer:connection:failure', { cause: 'refused' });
  assert.equal(await value('balancer:connection:attempts'), 20 + refused);
  assert.equal(await value('balancer:connection:latency_us_count'), 20 + refused);
  assert.equal(await value('balancer:connection:duration_ms_count'), 20);
  assert.equal(await value('route_create'), 1);
  assert.ok((await value('resolver:success_count', { namespace: 'default' })) >= 1);
});

test('byte counts move while the connection is open', async t => {
  const backend = await listeningPeer(t);
  const proxy = await proxyOf(t, [backend.port]);
  const client = await connectPeer(t, proxy.port);
  for (const total of [10_000, 20_000]) {
    await client.play('send 10000');
    await backend.play('expect 10000');
    await until(async () => (await proxy.metric('l5d:srv:stream:rx_bytes')) === total, `rx_bytes to be ${total}`);
    assert.equal(await proxy.metric('l5d:srv:active'), 1);
  }
  await backend.play('send 5000');
  await client.play('expect 5000');
  await until(async () => (await proxy.metric('l5d:srv:stream:tx_bytes')) === 5000, 'tx_bytes to be 5000');
});

test('counters and histograms never go back, whatever is scraped or reloaded in between', async t => {
  const backend = await listeningPeer(t);
  const proxy = await proxyOf(t, [backend.port]);
  const growing = new Set(Object.entries(families).flatMap(([name, { type }]) => (type === 'gauge' ? [] : [name])));
  let before = new Map<string, number>();
  for (let round = 0; round < 6; round++) {
    const client = await connectPeer(t, proxy.port);
    client.queue(100);
    const server = await backend.next();
    await server.play('expect 100', 'close');
    await client.play('expect end', 'close');
    if (round % 2 === 1) await proxy.post('/reload');
    const now = new Map<string, number>();
    for (const [name, { samples }] of parseExposition(await proxy.get('/metrics')))
      if (growing.has(name))
        for (const sample of samples) now.set(`${sample.name}${JSON.stringify(sample.labels)}`, sample.value);
    for (const [series, value] of before)
      assert.ok((now.get(series) ?? Number.NaN) >= value, `${series}: ${value}, then ${now.get(series)}`);
    before = now;
  }
});

test('/ping answers, / lists what there is', async t => {
  const proxy = await proxyOf(t, []);
  assert.deepEqual(await ask(proxy, '/ping').then(({ status, body }) => [status, body]), [200, 'pong']);
  const { body } = await ask(proxy, '/');
  for (const path of ['/metrics', '/ready', '/config.json', '/routes.json', '/delegator.json', '/shutdown', '/reload'])
    assert.ok(body.includes(path), path);
});

test('/ready names the missing name until it is known', async t => {
  const namerd = await startNamerd(t);
  namerd.setHanging(true);
  const proxy = await startLinkerdTcp(t, {
    config: `
admin: {port: 0}
routers:
- label: edge
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "${namerd.url}", namespace: default, periodSecs: 20}
  servers: [{port: 0, dstName: /svc/web}]
`,
  });
  const early = await ask(proxy, '/ready');
  assert.equal(early.status, 503);
  assert.deepEqual(early.json, { ready: false, waitingFor: ['/svc/web of router edge to be resolved'] });
  namerd.setBind('default', '/svc/web', leafJson('/#/io.l5d.fs/web', boundJson(['127.0.0.1:1'])));
  namerd.setAddr('/#/io.l5d.fs/web', boundJson(['127.0.0.1:1']));
  // Those who wait for an answer ask again.
  namerd.setHanging(false);
  await namerd.stop();
  await namerd.start();
  const late = await until(async () => {
    const answer = await ask(proxy, '/ready');
    return answer.status === 200 && answer;
  }, 'the proxy to be ready');
  assert.deepEqual(late.json, { ready: true, waitingFor: [] });
});

test('/ready is not held up by a name that cannot be resolved while another is', async t => {
  const proxy = await startLinkerdTcp(t, {
    config: `
admin: {port: 0}
routers:
- label: edge
  servers: [{port: 0, dstName: /$/inet/127.0.0.1/1}, {port: 0, dstName: /$/nope/x}]
`,
  });
  await until(async () => (await ask(proxy, '/ready')).status === 200, 'the proxy to be ready');
  const routes = JSON.parse(await proxy.get('/routes.json'));
  assert.deepEqual(routes.map(({ state }: { state: string }) => state).sort(), ['bound', 'failed']);
  proxy.folder.write(
    'linkerd.yml',
    'admin: {port: 0}\nrouters: [{label: edge, servers: [{port: 0, dstName: /$/nope/x}]}]\n',
  );
  await proxy.post('/reload');
  assert.deepEqual((await ask(proxy, '/ready')).json, {
    ready: false,
    waitingFor: ['/$/nope/x of router edge to be resolved'],
  });
});

test('/config.json shows the configuration in force, with defaults, without secrets', async t => {
  const proxy = await startLinkerdTcp(t, {
    config: `
admin: {port: 0}
usage: {orgId: us, token: opensesame}
routers: [{label: edge, servers: [{port: 0, dstName: /svc/web}]}]
`,
  });
  const { status, type, json, body } = await ask(proxy, '/config.json');
  assert.equal(status, 200);
  assert.match(type, /^application\/json/);
  assert.doesNotMatch(body, /opensesame/);
  assert.deepEqual(json.usage, { orgId: 'us', token: '(hidden)' });
  assert.equal(json.routers[0].servers[0].connectTimeoutMs, 10_000);
  assert.equal(json.admin.graceSecs, 10);
});

test('/routes.json shows the bound tree, and each endpoint with its load and weight', async t => {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const proxy = await startLinkerdTcp(t, {
    ...fsRouting({
      dtab: '/svc/web => 3 * /#/io.l5d.fs/a & 1 * /#/io.l5d.fs/b;',
      disco: {},
      servers: { '/svc/web': '' },
    }),
    files: {
      'routes.dtab': '/svc/web => 3 * /#/io.l5d.fs/a & 1 * /#/io.l5d.fs/b;\n',
      'disco/a': `127.0.0.1 ${a.port} * 2.5\n`,
      'disco/b': `127.0.0.1 ${b.port}\n`,
    },
  });
  await proxy.program.printed(/resolved to/);
  const client = await connectPeer(t, proxy.port);
  await client.play('send 10');
  const open = await until(async () => {
    const [route] = (await ask(proxy, '/routes.json')).json;
    const { endpoints } = route as { endpoints: readonly { open: number; connecting: number }[] };
    // A connection is counted as open just before it is no longer counted as connecting.
    return endpoints.some(({ open, connecting }) => open === 1 && connecting === 0) && route;
  }, 'an open connection');
  assert.equal(open.router, 'test');
  assert.equal(open.dst, '/svc/web');
  assert.equal(open.state, 'bound');
  assert.ok(open.ageMs >= 0 && open.ageMs < 60_000);
  assert.equal(open.tree.type, 'union');
  assert.deepEqual(
    open.tree.union.map(({ weight, tree }: { weight: number; tree: { bound: { id: string; addr: object } } }) => [
      weight,
      tree.bound.id,
    ]),
    [
      [3, '/#/io.l5d.fs/a'],
      [1, '/#/io.l5d.fs/b'],
    ],
  );
  assert.equal(open.tree.union[0].tree.bound.addr.type, 'bound');
  const endpoint = (port: number) =>
    open.endpoints.find((one: { address: string }) => one.address === `127.0.0.1:${port}`);
  assert.deepEqual(
    { ...endpoint(a.port), open: 0, since: '' },
    {
      address: `127.0.0.1:${a.port}`,
      branch: '/#/io.l5d.fs/a',
      weight: 2.5,
      state: 'available',
      since: '',
      open: 0,
      connecting: 0,
      consecutiveFailures: 0,
    },
  );
  assert.equal(endpoint(b.port).weight, 1);
  assert.equal(endpoint(a.port).open + endpoint(b.port).open, 1);
});

test('/routes.json gives the reason that a name does not resolve', async t => {
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({ dtab: '/svc/other => /#/io.l5d.fs/a;', disco: { a: [1] }, servers: { '/svc/web': '' } }),
  );
  await proxy.program.printed(/warn \/svc\/web/);
  const [route] = (await ask(proxy, '/routes.json')).json;
  assert.equal(route.state, 'negative');
  assert.match(route.reason, /\/svc\/web/);
  assert.deepEqual(route.endpoints, []);
});

test('a dead endpoint becomes failed, with a penalty, in /routes.json and in its metrics', async t => {
  const [backend, dead] = [await listeningPeer(t), await refusingPort(t)];
  const proxy = await proxyOf(t, [backend.port, dead], {
    client: 'failFast: {maxConsecutiveFailures: 2, failurePenaltySecs: 60}',
  });
  const failed = await until(async () => {
    await connectPeer(t, proxy.port);
    const [route] = (await ask(proxy, '/routes.json')).json;
    return route.endpoints.find((one: { state: string }) => one.state === 'failed');
  }, 'the dead endpoint to be failed');
  assert.equal(failed.address, `127.0.0.1:${dead}`);
  assert.ok(failed.consecutiveFailures >= 2);
  assert.ok(failed.penaltyEndsInMs > 0 && failed.penaltyEndsInMs <= 90_000, `${failed.penaltyEndsInMs}`);
  assert.match(failed.lastError.reason, /ECONNREFUSED/);
  for (const time of [failed.since, failed.lastError.at])
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
  const stamp = 'l5d:balancer:endpoint:state_changed_timestamp_seconds';
  assert.ok(Math.abs((await proxy.metric(stamp, { endpoint: failed.address })) - Date.parse(failed.since) / 1000) < 1);
  assert.equal(await proxy.metric('l5d:balancer:endpoint:failed'), 1);
  assert.equal(await proxy.metric('l5d:balancer:endpoint:available'), 1);
  assert.equal(await proxy.metric('l5d:balancer:endpoint:state', { endpoint: failed.address, state: 'failed' }), 1);
});

test('an endpoint that left is retired while a connection to it is open, then gone', async t => {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const proxy = await proxyOf(t, [a.port]);
  const client = await connectPeer(t, proxy.port);
  await client.play('send 1k');
  await a.play('expect 1k');
  proxy.folder.write('disco/web', `127.0.0.1 ${b.port}\n`);
  const endpoints = async (): Promise<readonly { address: string; state: string; open: number }[]> =>
    (await ask(proxy, '/routes.json')).json[0].endpoints;
  const stateOf = async (address: string) => (await endpoints()).find(one => one.address === address);
  await until(async () => (await stateOf(b.address))?.state === 'available', 'b to be available');
  const retired = await stateOf(a.address);
  assert.deepEqual([retired?.state, retired?.open], ['retired', 1]);
  assert.equal(await proxy.metric('l5d:balancer:endpoint:retired'), 1);

  await a.play('send 10k');
  await client.play('expect 10k', 'shutdown');
  await a.play('expect end', 'shutdown');
  await client.play('expect end');
  await until(async () => (await stateOf(a.address)) === undefined, 'a to be gone');
  assert.equal(await proxy.metric('l5d:balancer:endpoint:open', { endpoint: a.address }), 0);
  assert.doesNotMatch(await proxy.get('/metrics'), new RegExp(`endpoint="${a.address}"`));
});

test('/delegator.json explains a name step by step', async t => {
  const proxy = await proxyOf(t, [1]);
  const { status, json } = await ask(proxy, '/delegator.json?path=/svc/web');
  assert.equal(status, 200);
  assert.equal(json.path, '/svc/web');
  assert.match(JSON.stringify(json), /"dentry":\{"prefix":"\/svc","dst":"\/#\/io\.l5d\.fs"\}/);
  assert.match(JSON.stringify(json), /"id":"\/#\/io\.l5d\.fs\/web"/);
  const nowhere = await ask(proxy, '/delegator.json?router=test&path=/svc/nothing');
  assert.equal(nowhere.status, 200);
  assert.match(nowhere.body, /"type":"neg"/);
});

for (const [what, method, path, status, code] of [
  ['a path that is none', 'GET', '/delegator.json?path=web', 400, 'NAME_INVALID'],
  ['no path', 'GET', '/delegator.json', 400, 'PARAMETER_MISSING'],
  ['a router that is not there', 'GET', '/delegator.json?path=/svc/web&router=nope', 404, 'ROUTER_UNKNOWN'],
  ['an unknown path', 'GET', '/metric', 404, 'NOT_FOUND'],
  ['a wrong method', 'GET', '/shutdown', 405, 'METHOD_NOT_ALLOWED'],
  ['a method nobody knows', 'DELETE', '/metrics', 405, 'METHOD_NOT_ALLOWED'],
] as const)
  test(`${what} is answered with ${status} and the reason as JSON`, async t => {
    const proxy = await proxyOf(t, []);
    const answer = await ask(proxy, path, method);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.type, /^application\/json/);
    assert.equal(answer.json.error.code, code);
    assert.ok(answer.json.error.message.length > 10);
    if (status === 405) assert.ok(answer.allow);
    if (code === 'ROUTER_UNKNOWN')
      assert.equal(answer.json.error.message, 'no router has the label nope; labels are: test');
  });

test('POST /reload takes a good file, refuses a bad one with its report, and counts both', async t => {
  const proxy = await proxyOf(t, []);
  const good = await ask(proxy, '/reload', 'POST');
  assert.deepEqual([good.status, good.json], [200, { ok: true }]);
  proxy.folder.write('linkerd.yml', 'routers: [{label: a, servers: []}]\nbufferSizeByte: 1\n');
  const bad = await ask(proxy, '/reload', 'POST');
  assert.equal(bad.status, 400);
  assert.equal(bad.json.error.code, 'CONFIG_INVALID');
  assert.match(bad.json.error.message, /linkerd\.yml:2:1 +bufferSizeByte: unknown key; did you mean bufferSizeBytes\?/);
  proxy.folder.remove('linkerd.yml');
  const gone = await ask(proxy, '/reload', 'POST');
  assert.equal(gone.status, 400);
  assert.match(gone.json.error.message, /no such file/);
  assert.equal(await proxy.metric('l5d:config:reloads', { result: 'ok' }), 1);
  assert.equal(await proxy.metric('l5d:config:reloads', { result: 'failed' }), 2);
});

test('POST /shutdown answers, then the process ends with 0', async t => {
  const proxy = await proxyOf(t, []);
  assert.equal((await ask(proxy, '/shutdown', 'POST')).status, 200);
  assert.deepEqual(await within(proxy.program.exited, 'the proxy to end'), { code: 0, signal: null });
});

test('POST /abort ends the process at once with 1, and cuts what is open', async t => {
  const backend = await listeningPeer(t);
  const proxy = await proxyOf(t, [backend.port]);
  const client = await connectPeer(t, proxy.port);
  await client.play('send 1k');
  await backend.play('expect 1k');
  // The answer may be lost: the process does not wait for it.
  await ask(proxy, '/abort', 'POST').catch(() => {});
  assert.deepEqual(await within(proxy.program.exited, 'the proxy to end'), { code: 1, signal: null });
  await client.play('expect over');
});

test('the admin address that is taken ends the start with 69', async t => {
  const proxy = await proxyOf(t, []);
  const folder = tempDir(t);
  const config = folder.write('second.yml', `admin: {port: ${proxy.adminPort}}\nrouters: []\n`);
  const { code, output } = await runProgram(t, join(projectRoot, 'bin/linkerd-tcp'), [config]);
  assert.equal(code, 69, output);
  assert.match(output, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${proxy.adminPort}`));
});
