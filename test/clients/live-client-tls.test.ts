/** Certificates that clients of the control plane show, and authorities that they trust, are renewed without a restart. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { consulClient } from '../../src/clients/consul/config.ts';
import { KubernetesApi } from '../../src/clients/kubernetes/api.ts';
import { accessFor } from '../../src/clients/kubernetes/config.ts';
import { type ClientTlsContext, LiveClientTls } from '../../src/clients/live-client-tls.ts';
import { namerdHttpInterpreter } from '../../src/interpreters/namerd-http-kind.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { etcdStore } from '../../src/stores/etcd/etcd.ts';
import { CertificateExpiry } from '../../src/tls/certificate-monitor.ts';
import { createAuthority, type Issued } from '../support/certificates.ts';
import { namingContext, recordedLog } from '../support/naming.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

type Ask = () => Promise<unknown>;

interface Place {
  readonly host: string;
  readonly port: number;
  readonly tls: { disableValidation: false; commonName: string; trustCerts: string[]; clientAuth: ClientAuth };
}

interface ClientAuth {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Each client, as its configuration makes it. */
const clients: Readonly<Record<string, (t: TestContext, place: Place, context: ClientTlsContext) => Ask>> = {
  Consul: (t, place, context) => {
    const client = consulClient(place, context);
    t.after(() => client.close());
    return () => client.read({ path: 'kv/a' });
  },
  Kubernetes: (t, { host, port, tls }, context) => {
    const api = new KubernetesApi(accessFor({ auth: 'proxy', host, port, tls }, context, {}));
    t.after(() => api.close());
    return () => api.call({ method: 'GET', path: '/api' }, AbortSignal.timeout(5000));
  },
  etcd: (t, { host, port, tls }, { log, certificates }) => {
    const config = etcdStore.config.parse({ host, port, tls });
    const store = etcdStore.create(config, { log, certificates, now: () => 0, epochMs: () => 0, random: () => 0 });
    t.after(() => store.close());
    return () => store.put('web', []);
  },
  namerd: (t, { host, port, tls }, { log, certificates }) => {
    const config = namerdHttpInterpreter.config.parse({ dst: `/$/inet/${host}/${port}`, tls });
    const interpreter = namerdHttpInterpreter.create(config, { ...namingContext({ log, certificates }), namers: [] });
    t.after(() => interpreter.close?.());
    return () => interpreter.delegate([], ['svc', 'a']);
  },
};

function install(dir: TempDir, { chain, key }: Pick<Issued, 'chain' | 'key'>): ClientAuth {
  return { certPath: dir.write('client.pem', chain), keyPath: dir.write('client.key', key) };
}

/** Asks clients for certificates, and notes whose they are; answers every request with 503. */
async function startServer(t: TestContext) {
  const authority = createAuthority(t);
  const { chain, key } = authority.issue({ names: ['server.test'] });
  const shown: string[] = [];
  const server = createSecureServer(
    { cert: chain, key, ca: authority.certificate, requestCert: true, allowHTTP1: true },
    (_request, response) => response.writeHead(503).end(),
  );
  server.on('secureConnection', socket => shown.push(String(socket.getPeerX509Certificate()?.subject)));
  server.on('session', session => t.after(() => session.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { authority, shown, port: (server.address() as AddressInfo).port };
}

for (const [name, open] of Object.entries(clients)) {
  test(`${name} is shown a renewed certificate without a restart, and its expiry is a metric`, async t => {
    const { authority, shown, port } = await startServer(t);
    const dir = tempDir(t);
    const clientAuth = install(dir, authority.issue({ names: ['first.test'], client: true }));
    const trustCerts = [dir.write('ca.pem', authority.certificate)];
    const tls = { disableValidation: false as const, commonName: 'server.test', trustCerts, clientAuth };
    const registry = new Registry({ pages: 1 });
    const certificates = new CertificateExpiry(registry, recordedLog());
    t.after(() => certificates.close());
    const log = recordedLog();
    const ask = open(t, { host: '127.0.0.1', port, tls }, { log, certificates, settleMs: 1 });
    await ask().catch(() => undefined);
    assert.equal(shown.at(-1), 'CN=first.test', log.lines.join('\n'));
    const seconds = /l5d:tls:control_cert:expiry_seconds\{user="[^"]+"\} (\d+)/;
    assert.match(registry.expose(), seconds);
    install(dir, authority.issue({ names: ['second.test'], client: true, days: 1 }));
    const isRenewed = async () => {
      await ask().catch(() => undefined);
      return shown.at(-1) === 'CN=second.test';
    };
    await until(isRenewed, () => `the new certificate to be shown; ${log.lines.join('\n')}`);
    assert.ok(Number(seconds.exec(registry.expose())?.[1]) <= 86_400);
  });
}

test('files that cannot be used any more leave the last good ones in use, and the log says so once', async t => {
  const authority = createAuthority(t);
  const dir = tempDir(t);
  const clientAuth = install(dir, authority.issue({ names: ['first.test'], client: true }));
  const log = recordedLog();
  const live = new LiveClientTls({ disableValidation: false, clientAuth }, 'Consul', { log, settleMs: 1 });
  t.after(() => live.close());
  const first = live.source();
  dir.write('client.key', 'nonsense');
  const errors = () => log.lines.filter(line => line.startsWith('error:'));
  await until(() => errors().length === 1, 'the error');
  assert.match(errors()[0]!, /client\.pem changed and cannot be used/);
  assert.equal(live.source(), first);
  install(dir, authority.issue({ names: ['second.test'], client: true }));
  await until(() => live.source() !== first, 'the new certificate');
  assert.equal(errors().length, 1);
});

test('an authority that is replaced is trusted, and the one before is not', async t => {
  const [one, two] = [createAuthority(t, 'one'), createAuthority(t, 'two')];
  const dir = tempDir(t);
  const file = dir.write('ca.pem', one.certificate);
  const context = { log: recordedLog(), settleMs: 1 };
  const live = new LiveClientTls({ disableValidation: false, trustCerts: [file] }, 'Consul', context);
  t.after(() => live.close());
  assert.equal(live.source().ca, one.certificate);
  dir.write('ca.pem', two.certificate);
  await until(() => live.source().ca === two.certificate, 'the new authority');
});

test('closing ends the watches of files and the series', t => {
  const authority = createAuthority(t);
  const clientAuth = install(tempDir(t), authority.issue({ names: ['first.test'], client: true }));
  const registry = new Registry({ pages: 1 });
  const certificates = new CertificateExpiry(registry, recordedLog());
  t.after(() => certificates.close());
  const context = { log: recordedLog(), certificates };
  const live = new LiveClientTls({ disableValidation: false, clientAuth }, 'Consul', context);
  assert.match(registry.expose(), /control_cert/);
  live.close();
  assert.doesNotMatch(registry.expose(), /control_cert:expiry_seconds\{/);
});

test('a file that is missing, or no certificate, is an error that names it', t => {
  const dir = tempDir(t);
  const open = (trustCerts: string[]) =>
    new LiveClientTls({ disableValidation: false, trustCerts }, 'Consul', { log: recordedLog() });
  assert.throws(() => open([join(dir.path, 'absent.pem')]), { code: 'TLS_UNUSABLE', message: /absent\.pem/ });
  assert.throws(() => open([dir.write('text.pem', 'nonsense')]), { code: 'TLS_UNUSABLE', message: /text\.pem/ });
});
