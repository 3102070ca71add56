/** Reloading by SIGHUP and POST /reload: what changed is changed, nothing else is touched, a bad file changes nothing at all. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { connectPeer, type ListeningPeer, listeningPeer, type Peer } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { until, within } from '../support/waiting.ts';

interface Wanted {
  readonly label?: string;
  /** Rules of the router. */
  readonly dtab?: string;
  /** Destinations by port. */
  readonly servers: Readonly<Record<number, string>>;
  /** More keys of the router, as YAML flow. */
  readonly router?: string;
  /** More keys at the top, as lines of YAML. */
  readonly top?: string;
}

const config = ({ label = 'test', dtab = '', servers, router, top = '' }: Wanted): string =>
  [
    'admin: {port: 0}',
    top,
    'routers:',
    `- label: ${label}`,
    `  dtab: ${JSON.stringify(dtab)}`,
    ...(router ? [`  ${router}`] : []),
    '  servers:',
    ...Object.entries(servers).map(([port, dstName]) => `  - {port: ${port}, dstName: ${dstName}}`),
    '',
  ].join('\n');

const to = (backend: ListeningPeer): string => `/$/inet/127.0.0.1/${backend.port}`;

/** Two backends, two ports to listen on, and a proxy that routes the first of them. */
async function setup(t: TestContext, wanted: (a: string, b: string, port: number) => Wanted) {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const [port, other] = [await freePort(), await freePort()];
  const proxy = await startLinkerdTcp(t, { config: config(wanted(to(a), to(b), port)) });
  return { a, b, port, other, proxy };
}

async function reloaded(proxy: LinkerdTcp, text: string): Promise<void> {
  proxy.folder.write('linkerd.yml', text);
  await proxy.post('/reload');
}

/** A session that carries bytes; `goesOn` shows that it still does. */
async function session(t: TestContext, port: number, backend: ListeningPeer) {
  const client = await connectPeer(t, port);
  client.queue(1000);
  const server = await backend.next();
  await server.play('expect 1000', 'send 1000');
  await client.play('expect 1000');
  return {
    client,
    goesOn: async (): Promise<void> => {
      await client.play('send 1000');
      await server.play('expect 1000', 'send 1000');
      await client.play('expect 1000');
    },
  };
}

async function isRefused(t: TestContext, port: number): Promise<boolean> {
  try {
    await (await connectPeer(t, port)).abort();
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return true;
    throw error;
  }
}

/** Resolves with the client of the first new connection that arrives at `backend`. */
async function reaches(t: TestContext, port: number, backend: ListeningPeer): Promise<Peer> {
  const client = await connectPeer(t, port);
  await backend.socket();
  return client;
}

for (const [how, reload] of [
  ['SIGHUP', async (proxy: LinkerdTcp) => proxy.program.signal('SIGHUP')],
  ['POST /reload', async (proxy: LinkerdTcp) => void (await proxy.post('/reload'))],
] as const)
  test(`after ${how} a new listener takes connections`, async t => {
    const { a, b, port, other, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
    const open = await session(t, port, a);
    proxy.folder.write('linkerd.yml', config({ servers: { [port]: to(a), [other]: to(b) } }));
    await reload(proxy);
    await proxy.program.printed(new RegExp(`routing on 127\\.0\\.0\\.1:${other} to `));
    await (await session(t, other, b)).goesOn();
    await open.goesOn();
    await proxy.program.printed(/linkerd\.yml reloaded/);
  });

test('a listener that is removed refuses, and its established session continues to its end', async t => {
  const { a, port, other, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const open = await session(t, port, a);
  await reloaded(proxy, config({ servers: { [other]: to(a) } }));
  assert.ok(await isRefused(t, port));
  await open.goesOn();
  await (await session(t, other, a)).goesOn();
  assert.equal(await proxy.metric('l5d:srv:active', { srv_addr: `127.0.0.1:${port}` }), 1);
  await open.client.play('reset');
  await until(
    async () => !(await proxy.get('/metrics')).includes(`srv_addr="127.0.0.1:${port}"`),
    'the series of the listener to be gone with its last session',
  );
});

test('a changed dtab of the router moves new connections and leaves open ones', async t => {
  const { a, b, port, proxy } = await setup(t, (toA, _, listen) => ({
    dtab: `/svc/x => ${toA} ;`,
    servers: { [listen]: '/svc/x' },
  }));
  const open = await session(t, port, a);
  await reloaded(proxy, config({ dtab: `/svc/x => ${to(b)} ;`, servers: { [port]: '/svc/x' } }));
  await until(async () => {
    await connectPeer(t, port);
    return b.accepted > 0;
  }, 'new connections to reach b');
  await open.goesOn();
});

test('a changed dstName of a listener moves new connections and leaves open ones', async t => {
  const { a, b, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const open = await session(t, port, a);
  await reloaded(proxy, config({ servers: { [port]: to(b) } }));
  await reaches(t, port, b);
  await open.goesOn();
});

test('a changed client policy holds for new connections', async t => {
  const { a, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const open = await session(t, port, a);
  await reloaded(proxy, config({ servers: { [port]: to(a) }, router: 'client: {minConnections: 2}' }));
  await until(async () => (await proxy.metric('l5d:balancer:connection:open')) >= 3, 'spare connections to be open');
  await open.goesOn();
  const { routers } = JSON.parse(await proxy.get('/config.json'));
  assert.equal(routers[0].client.minConnections, 2);
});

test('a renamed router counts under its new name and keeps its sessions', async t => {
  const { a, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const open = await session(t, port, a);
  await reloaded(proxy, config({ label: 'renamed', servers: { [port]: to(a) } }));
  await (await session(t, port, a)).goesOn();
  assert.equal(await proxy.metric('l5d:srv:accepts', { rt: 'renamed' }), 1);
  await open.goesOn();
  assert.equal(JSON.parse(await proxy.get('/routes.json'))[0].router, 'renamed');
});

test('changed namers change what names mean', async t => {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const port = await freePort();
  const wanted = (folder: string): string =>
    config({
      top: `namers: [{kind: io.l5d.fs, rootDir: ${folder}}]`,
      dtab: '/svc => /#/io.l5d.fs ;',
      servers: { [port]: '/svc/web' },
    });
  const proxy = await startLinkerdTcp(t, {
    config: wanted('first'),
    files: { 'first/web': `127.0.0.1 ${a.port}\n`, 'second/web': `127.0.0.1 ${b.port}\n` },
  });
  const open = await session(t, port, a);
  await reloaded(proxy, wanted('second'));
  await until(async () => {
    await connectPeer(t, port);
    return b.accepted > 0;
  }, 'new connections to reach b');
  await open.goesOn();
});

test('a bad file changes nothing, and the report with file:line:column is in the answer and on stderr', async t => {
  const { a, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const open = await session(t, port, a);
  const before = await proxy.get('/config.json');
  const bad = config({ servers: { [port]: to(a), [port + 1]: '/svc/new' } }).replace('dtab:', 'dtabb:');
  const file = proxy.folder.write('linkerd.yml', bad);
  const problem = `${file}:5:3 +routers\\[0\\]\\.dtabb: unknown key; did you mean dtab\\?`;

  await assert.rejects(proxy.post('/reload'), new RegExp(`answered 400: .*${problem}`));
  proxy.program.signal('SIGHUP');
  await proxy.program.printed(new RegExp(`^ +${problem}$`, 'm'));
  await proxy.program.printed(/^Nothing was changed\./m);
  assert.equal(await proxy.get('/config.json'), before);
  await (await session(t, port, a)).goesOn();
  await open.goesOn();
});

test('a listener whose port is taken changes nothing else, and the answer names the address', async t => {
  const { a, b, port, other, proxy } = await setup(t, (toA, _, listen) => ({
    dtab: `/svc/x => ${toA} ;`,
    servers: { [listen]: '/svc/x' },
  }));
  const open = await session(t, port, a);
  const squatter = net.createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const taken = (squatter.address() as net.AddressInfo).port;
  const log = join(proxy.folder.path, 'access.log');
  const before = await proxy.get('/config.json');
  proxy.folder.write(
    'linkerd.yml',
    config({
      label: 'renamed',
      dtab: `/svc/x => ${to(b)} ;`,
      servers: { [other]: '/svc/x', [taken]: '/svc/x' },
      top: 'accessLog: {file: access.log}',
    }),
  );
  await assert.rejects(proxy.post('/reload'), new RegExp(`cannot listen on 127\\.0\\.0\\.1:${taken}`));
  assert.equal(await proxy.get('/config.json'), before);
  assert.ok(await isRefused(t, other), 'the other new listener was closed again');
  await (await session(t, port, a)).goesOn();
  await open.goesOn();
  assert.equal(b.accepted, 0);
  assert.equal(await proxy.metric('l5d:srv:accepts', { rt: 'test' }), 2);
  await open.client.play('reset');
  await until(async () => (await proxy.metric('l5d:srv:closes')) === 1, 'the session to be counted as ended');
  assert.equal(existsSync(log) ? readFileSync(log, 'utf8') : '', '', 'no access log is written');
});

test('the access log is turned on, reopened after a rotation, and turned off by reloads', async t => {
  const { a, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const [log, rotated] = ['access.log', 'access.log.1'].map(name => join(proxy.folder.path, name)) as [string, string];
  const lines = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);
  let ended = 0;
  const oneConnection = async (): Promise<void> => {
    const client = await reaches(t, port, a);
    await client.play('reset');
    ended++;
    await until(async () => (await proxy.metric('l5d:srv:closes')) === ended, 'the connection to have ended');
  };
  const off = config({ servers: { [port]: to(a) } });
  const on = config({ servers: { [port]: to(a) }, top: 'accessLog: {file: access.log}' });

  await oneConnection();
  await reloaded(proxy, on);
  await oneConnection();
  await until(() => lines(log) === 1, 'one line');

  renameSync(log, rotated);
  await proxy.post('/reload');
  await oneConnection();
  await until(() => lines(log) === 1, 'a line in the new file');
  assert.equal(lines(rotated), 1);

  await reloaded(proxy, off);
  await oneConnection();
  await reloaded(proxy, on);
  await oneConnection();
  await until(() => lines(log) === 2, 'the line of the last connection');
});

test('an access log that cannot be opened changes nothing', async t => {
  const { a, b, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  proxy.folder.write(
    'linkerd.yml',
    config({ servers: { [port]: to(b) }, top: 'accessLog: {file: missing/access.log}' }),
  );
  await assert.rejects(proxy.post('/reload'), /cannot write .*missing\/access\.log/);
  await (await session(t, port, a)).goesOn();
});

test('changes that need a restart are logged', async t => {
  const { a, port, proxy } = await setup(t, (toA, _, listen) => ({ servers: { [listen]: toA } }));
  const text = config({ servers: { [port]: to(a) }, top: 'workers: 7' });
  await reloaded(proxy, text.replace('{port: 0}', `{port: ${await freePort()}}`));
  await within(proxy.program.printed(/the address of admin and workers changed: needs a restart/), 'the warning');
  await (await session(t, port, a)).goesOn();
});
