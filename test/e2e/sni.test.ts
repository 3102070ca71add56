/** Routing by server name between real programs: `openssl s_client` and curl reach the certificate that they ask for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { findProgram } from '../../scripts/debian-packages.ts';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import { fsRouting, hostsOf, type LinkerdTcp, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { freePort } from '../support/ports.ts';
import { runProgram, startProgram } from '../support/process.ts';
import type { Scope } from '../support/scope.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

interface TlsServer {
  readonly port: number;
  /** PEM file of its certificate. */
  readonly certificate: string;
}

/** An `openssl s_server` whose certificate is for that name only, and signed by itself. */
async function startTlsServer(t: Scope, folder: TempDir, name: string): Promise<TlsServer> {
  const key = join(folder.path, `${name}.key`);
  const certificate = join(folder.path, `${name}.pem`);
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const made = await runProgram(t, 'openssl', [
    ...['req', '-x509', '-nodes', '-days', '2', ...curve, ...subject],
    ...['-keyout', key, '-out', certificate],
  ]);
  assert.equal(made.code, 0, made.output);
  const port = await freePort();
  const files = ['-cert', certificate, '-key', key];
  const server = startProgram(t, 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-www', ...files]);
  await server.printed(/ACCEPT/);
  return { port, certificate };
}

interface Setting {
  readonly proxy: LinkerdTcp;
  readonly a: TlsServer;
  readonly b: TlsServer;
}

/** Two servers, a.test and b.test, behind one port that routes by name. */
async function start(t: Scope, driver: DriverKind, sni = 'route: true'): Promise<Setting> {
  const folder = tempDir(t);
  const [a, b] = await Promise.all(['a.test', 'b.test'].map(name => startTlsServer(t, folder, name)));
  const proxy = await startLinkerdTcp(
    t,
    fsRouting({
      dtab: '/svc => /#/io.l5d.fs;',
      disco: { 'a.test': [a.port], 'b.test': [b.port] },
      servers: { '"/svc/{sni}"': `sni: {${sni}}` },
      driver,
    }),
  );
  return { proxy, a, b };
}

/** The output of `openssl s_client` for a handshake with or without a server name. */
async function shakeHands(t: Scope, { port }: LinkerdTcp, name: string | undefined): Promise<string> {
  const asks = name === undefined ? ['-noservername'] : ['-servername', name];
  const { output } = await runProgram(t, 'openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-brief', ...asks]);
  return output;
}

/** The name in the certificate that the client got, else the number of the alert. */
function outcomeOf(output: string): string {
  const subject = /Peer certificate: CN\s*=\s*(\S+)/.exec(output);
  const alert = /SSL alert number (\d+)/.exec(output);
  return subject?.[1] ?? (alert ? `alert ${alert[1]}` : output);
}

const outcome = async (t: Scope, proxy: LinkerdTcp, name: string | undefined): Promise<string> =>
  outcomeOf(await shakeHands(t, proxy, name));

for (const driver of ['portable', 'epoll', 'uring'] as const) {
  test(`${driver}: a client reaches the server that it names, and its certificate proves it`, async t => {
    const { proxy } = await start(t, driver);
    assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
    assert.equal(await outcome(t, proxy, 'b.test'), 'b.test');
    assert.equal(await outcome(t, proxy, 'A.Test'), 'a.test');
    const routes = JSON.parse(await proxy.get('/routes.json')) as readonly { dst: string; state: string }[];
    assert.deepEqual(
      routes.map(({ dst, state }) => `${dst} ${state}`),
      ['/svc/a.test bound', '/svc/b.test bound'],
    );
    assert.equal(await proxy.metric('l5d:balancer:connection:connects', { dst: '/svc/a.test' }), 2);
  });

  test(`${driver}: an unknown name and no name are refused with their alerts, and hold up no readiness`, async t => {
    const { proxy } = await start(t, driver);
    assert.equal(await outcome(t, proxy, 'c.test'), 'alert 112');
    assert.equal(await outcome(t, proxy, undefined), 'alert 109');
    await proxy.get('/ready');
    assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'NN' }), 1);
    assert.equal(await proxy.metric('l5d:srv:stream:end', { cause: 'GP' }), 1);
  });

  test(`${driver}: with a default, an unknown name and no name go there`, async t => {
    const { proxy } = await start(t, driver, 'route: true, default: /svc/b.test');
    assert.equal(await outcome(t, proxy, 'c.test'), 'b.test');
    assert.equal(await outcome(t, proxy, undefined), 'b.test');
    assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
  });

  test(`${driver}: what is not TLS is refused with an alert`, async t => {
    const { proxy } = await start(t, driver, 'route: true, default: /svc/b.test');
    const socket = net.connect(proxy.port, '127.0.0.1');
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
    const answer = await within(buffer(socket), 'the proxy to close the connection');
    assert.equal(answer.toString('hex'), '1503030002020a');
  });

  test(`${driver}: an edit of the dtab moves new connections of a name that is known already`, async t => {
    const { proxy } = await start(t, driver);
    assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
    proxy.folder.write('routes.dtab', '/svc => /#/io.l5d.fs; /svc/a.test => /#/io.l5d.fs/b.test;\n');
    await until(async () => (await outcome(t, proxy, 'a.test')) === 'b.test', 'a.test to lead to b.test');
  });

  test(`${driver}: a name that comes to exist is reached, and a reload with another dstName moves the known ones`, async t => {
    const { proxy, a } = await start(t, driver);
    assert.equal(await outcome(t, proxy, 'c.test'), 'alert 112');
    proxy.folder.write('disco/c.test', hostsOf([a.port]));
    await until(async () => (await outcome(t, proxy, 'c.test')) === 'a.test', 'c.test to exist');
    const file = join(proxy.folder.path, 'linkerd.yml');
    proxy.folder.write('routes.dtab', '/svc => /#/io.l5d.fs; /moved/c.test => /#/io.l5d.fs/b.test;\n');
    proxy.folder.write('linkerd.yml', readFileSync(file, 'utf8').replace('/svc/{sni}', '/moved/{sni}'));
    await proxy.post('/reload');
    await until(async () => (await outcome(t, proxy, 'c.test')) === 'b.test', 'c.test to be moved');
    assert.equal(await outcome(t, proxy, 'a.test'), 'alert 112');
  });
}

test('a name outlives a reload, and one that fails', async t => {
  const { proxy, a } = await start(t, 'portable');
  const { folder } = proxy;
  assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
  await proxy.post('/reload');
  assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
  const config = readFileSync(join(folder.path, 'linkerd.yml'), 'utf8');
  // The destination of the second server is started before the failure to listen is known.
  folder.write(
    'linkerd.yml',
    `${config}  - {port: 0, dstName: /svc/b.test}\n  - {port: ${a.port}, dstName: /svc/b.test}\n`,
  );
  await assert.rejects(proxy.post('/reload'), /cannot listen/);
  assert.equal(await outcome(t, proxy, 'a.test'), 'a.test');
  assert.equal(await outcome(t, proxy, 'b.test'), 'b.test');
  assert.equal(await proxy.metric('l5d:balancer:connection:connects', { dst: '/svc/a.test' }), 3);
});

const curl = findProgram('curl');

test('curl trusts the certificate behind the name, through the proxy', {
  skip: curl === undefined && 'curl is not installed',
}, async t => {
  const { proxy, a, b } = await start(t, 'portable');
  for (const [name, { certificate }] of [
    ['a.test', a],
    ['b.test', b],
  ] as const) {
    const to = ['--resolve', `${name}:${proxy.port}:127.0.0.1`, `https://${name}:${proxy.port}/`];
    const { code, output } = await runProgram(t, 'curl', ['-sS', '--noproxy', '*', '--cacert', certificate, ...to]);
    assert.equal(code, 0, output);
    assert.match(output, /s_server/);
  }
});
