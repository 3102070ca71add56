/** TLS contexts of a configuration: made once, shared, published again when files or ticket keys change, withdrawn at the end. */
import assert from 'node:assert/strict';
import { after, mock, type TestContext, test } from 'node:test';
import { type ExpiryLabels, TlsContexts, type TlsContextsOptions } from '../../src/control/tls-contexts.ts';
import type { TlsClientContext, TlsContext, TlsServerContext } from '../../src/io/tls/context.ts';
import { clientFor } from '../../src/settings/linkerd-tcp/client-config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import type { DestinationTls } from '../../src/tls/client-tls.ts';
import { createAuthority, type Issued } from '../support/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const scope = { after };
const authority = createAuthority(scope);
const [a, b] = ['a.test', 'b.test'].map(name => authority.issue({ names: [name, `*.${name}`] }));

const identity = ({ certFile, keyFile }: Pick<Issued, 'certFile' | 'keyFile'>): string =>
  `{certs: [${certFile}], privateKey: ${keyFile}}`;

const configOf = (text: string) => loadLinkerdTcp({ file: '<stdin>', text }, kinds);

const serverWith = (keys: string) =>
  configOf(`routers: [{label: edge, servers: [{port: 0, dstName: /svc/a, tls: {${keys}}}]}]`);

const tlsOf = (config: ReturnType<typeof configOf>) => config.routers[0].servers[0].tls!;

const clientWith = (client: string) => configOf(`routers: [{label: edge, servers: [], client: {${client}}}]`);

function contexts(t: TestContext, options: Partial<TlsContextsOptions> = {}) {
  const published = new Map<number, TlsContext>();
  const events: string[] = [];
  const lines: string[] = [];
  const exposed = new Map<ExpiryLabels, () => number>();
  const say = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  let lastId = 0;
  const tls = new TlsContexts({
    publish: (id, context) => {
      events.push(`${published.has(id) ? 'again' : 'new'} ${id}`);
      published.set(id, context);
    },
    withdraw: id => {
      events.push(`gone ${id}`);
      published.delete(id);
    },
    expose: (labels, read) => {
      exposed.set(labels, read);
      return () => void exposed.delete(labels);
    },
    nextId: () => ++lastId,
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    settleMs: 5,
    ...options,
  });
  t.after(() => tls.close());
  const server = (id: number) => published.get(id) as TlsServerContext;
  const client = (id: number) => published.get(id) as TlsClientContext;
  return { tls, published, events: () => events.splice(0), lines: () => lines.splice(0), exposed, server, client };
}

test('each identity of a server is a context, by the name that clients ask for', t => {
  const { tls, server, events } = contexts(t);
  const config = serverWith(
    `defaultIdentity: ${identity(a)}, identities: {A.Test.: ${identity(a)}, "*.b.test": ${identity(b)}}, alpnProtocols: [h2], ` +
      'alpnMismatch: refuse, sessionTickets: {lifetimeSecs: 100}',
  );
  const prepared = tls.prepare(config);
  assert.deepEqual(events(), []);
  const { exact, wildcard, fallback } = prepared.server(tlsOf(config));
  prepared.commit();
  assert.deepEqual([exact, wildcard, fallback], [{ 'a.test': 2 }, { '.b.test': 3 }, 1]);
  const { identity: shown, binding, ticketKeys, ...rest } = server(3);
  assert.equal(shown.chain, b.chain);
  assert.equal(binding.length, 32);
  assert.equal(ticketKeys[0].length, 80);
  assert.deepEqual(rest, {
    role: 'server',
    leastVersion: 'TLSv1.2',
    mostVersion: 'TLSv1.3',
    ciphers:
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:' +
      'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    cipherSuites: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
    groups: 'X25519MLKEM768:X25519:P-256:P-384',
    staple: null,
    protocols: ['h2'],
    refuseOtherProtocols: true,
    clientAuth: 'none',
    trust: '',
    crls: '',
    sessionSecs: 100,
  });
});

test('whom a session was made for, and who may be a client, is in its binding', t => {
  const { tls, server } = contexts(t);
  const dir = tempDir(t);
  const crl = dir.write('crl.pem', authority.crl());
  const bindings = [
    `defaultIdentity: ${identity(a)}`,
    `defaultIdentity: ${identity(b)}`,
    `identities: {a.test: ${identity(a)}}`,
    `defaultIdentity: ${identity(a)}, clientAuth: required, trustCerts: [${authority.file}]`,
    `defaultIdentity: ${identity(a)}, clientAuth: optional, trustCerts: [${authority.file}]`,
    `defaultIdentity: ${identity(a)}, clientAuth: required, trustCerts: [${authority.file}], crls: [${crl}]`,
  ].map(keys => {
    const config = serverWith(keys);
    const { exact, fallback } = tls.prepare(config).server(tlsOf(config));
    return Buffer.from(server(fallback ?? exact['a.test']).binding).toString('hex');
  });
  assert.equal(new Set(bindings).size, bindings.length);
});

test('the same settings are the same context, in one configuration and across reloads', t => {
  const { tls, events } = contexts(t);
  const keys = `defaultIdentity: ${identity(a)}`;
  for (const timeout of [1, 2]) {
    const config = serverWith(`${keys}, handshakeTimeoutMs: ${timeout}`);
    const prepared = tls.prepare(config);
    assert.equal(prepared.server(tlsOf(config)).fallback, 1);
    assert.equal(prepared.server(tlsOf(config)).fallback, 1);
    prepared.commit();
  }
  assert.deepEqual(events(), ['new 1']);
});

test('a commit withdraws what is no longer used, giving up withdraws what only the new one used', t => {
  const { tls, events } = contexts(t);
  const begin = (who: Issued) => {
    const config = serverWith(`defaultIdentity: ${identity(who)}`);
    const prepared = tls.prepare(config);
    prepared.server(tlsOf(config));
    return prepared;
  };
  begin(a).commit();
  begin(b).abandon();
  assert.deepEqual(events(), ['new 1', 'new 2', 'gone 2']);
  begin(b).commit();
  assert.deepEqual(events(), ['new 3', 'gone 1']);
});

test('files that became bad since the configuration was checked are an error, and nothing changes', t => {
  const { tls, events } = contexts(t);
  const dir = tempDir(t);
  const [certFile, keyFile] = [dir.write('c', a.chain), dir.write('k', a.key)];
  const config = serverWith(`defaultIdentity: ${identity({ certFile, keyFile })}`);
  dir.remove('k');
  assert.throws(() => tls.prepare(config), {
    code: 'TLS_UNUSABLE',
    message: `TLS cannot be set up: cannot read ${keyFile}: no such file`,
  });
  assert.deepEqual(events(), []);
});

test('a renewed certificate is published under the id it had, for all that use it', async t => {
  const { tls, events, server, lines } = contexts(t);
  const dir = tempDir(t);
  const renewed = authority.issue({ names: ['a.test'], days: 365 });
  const certFile = dir.write('c', a.chain + a.key);
  const files = identity({ certFile, keyFile: certFile });
  const config = serverWith(`defaultIdentity: ${files}, identities: {a.test: ${files}, other.test: ${files}}`);
  const prepared = tls.prepare(config);
  const { exact } = prepared.server(tlsOf(config));
  prepared.commit();
  events();
  lines();
  const { binding } = server(exact['a.test']);
  dir.write('c', renewed.chain + renewed.key);
  await until(() => server(exact['a.test']).identity.chain === renewed.chain, 'the renewed certificate');
  assert.deepEqual(events(), ['again 1', 'again 2', 'again 3']);
  assert.notDeepEqual(server(exact['a.test']).binding, binding);
  assert.deepEqual(lines(), [
    `info the certificate in ${certFile} changed; new handshakes use the new content`,
    `warn the certificate in ${certFile} is not for other.test: clients that ask for it will not accept it`,
  ]);
});

test('a reload reads files again, whether or not their change was noticed', t => {
  const { tls, server } = contexts(t, { settleMs: 1_000_000 });
  const dir = tempDir(t);
  const certFile = dir.write('c', a.chain + a.key);
  const config = serverWith(`defaultIdentity: ${identity({ certFile, keyFile: certFile })}`);
  for (const { chain, key } of [a, b]) {
    dir.write('c', chain + key);
    const prepared = tls.prepare(config);
    prepared.server(tlsOf(config));
    prepared.commit();
    assert.equal(server(1).identity.chain, chain);
  }
});

test('ticket keys turn by the clock, are shared by contexts that agree on it, and outlive a reload', t => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  t.after(() => mock.timers.reset());
  let now = 0;
  const { tls, events, server } = contexts(t, { now: () => now });
  const config = serverWith(
    `defaultIdentity: ${identity(a)}, identities: {b.test: ${identity(b)}}, sessionTickets: {rotateSecs: 60, lifetimeSecs: 90}`,
  );
  const commit = () => {
    const prepared = tls.prepare(config);
    prepared.server(tlsOf(config));
    prepared.commit();
  };
  const pass = (ms: number) => {
    now += ms;
    mock.timers.tick(ms);
  };
  commit();
  const [first] = server(1).ticketKeys;
  assert.equal(server(2).ticketKeys[0], first);
  commit();
  pass(59_999);
  assert.deepEqual(events(), ['new 1', 'new 2']);
  pass(1);
  assert.deepEqual(events(), ['again 1', 'again 2']);
  assert.deepEqual([server(1).ticketKeys.length, server(1).ticketKeys[1]], [2, first]);
  pass(60_000);
  assert.equal(server(1).ticketKeys[2], first);
  pass(30_000);
  assert.equal(server(1).ticketKeys.includes(first), false);
});

test('without session tickets there is no key', t => {
  const { tls, server } = contexts(t);
  const config = serverWith(`defaultIdentity: ${identity(a)}, sessionTickets: {enabled: false}`);
  assert.deepEqual(server(tls.prepare(config).server(tlsOf(config)).fallback!).ticketKeys, []);
});

const destination = (config: ReturnType<typeof configOf>, ...dst: string[]) =>
  clientFor(config.routers[0].client, dst).tls as DestinationTls & { ok: true };

test('destinations share a context unless their settings differ; the server name is their own', t => {
  const { tls, client } = contexts(t);
  const config = clientWith(
    `kind: io.l5d.static, configs: [{prefix: "/svc/{name}", tls: {dnsName: "{name}.test", trustCerts: [${authority.file}]}}, ` +
      `{prefix: /svc/c, tls: {clientAuth: ${identity(a)}, alpnProtocols: [h2], sessionResumption: false}}]`,
  );
  const prepared = tls.prepare(config);
  const specs = ['a', 'b', 'c'].map(name => prepared.client(destination(config, 'svc', name)));
  assert.deepEqual(specs, [
    { context: 1, serverName: 'a.test' },
    { context: 1, serverName: 'b.test' },
    { context: 2, serverName: 'c.test' },
  ]);
  assert.equal(client(1).trust, authority.certificate);
  assert.deepEqual(
    [client(1).identity, client(1).verify, client(1).resume, client(1).protocols],
    [null, true, true, []],
  );
  assert.deepEqual([client(2).identity?.chain, client(2).resume, client(2).protocols], [a.chain, false, ['h2']]);
});

test('without trustCerts the CAs of the system are trusted; with disableValidation no name is required', t => {
  const { tls, client } = contexts(t);
  const trustOf = (keys: string) => {
    const config = clientWith(`tls: {${keys}}`);
    const { context } = tls.prepare(config).client(destination(config));
    return { trust: client(context).trust, verify: client(context).verify };
  };
  const system = trustOf('dnsName: a.test');
  assert.ok(system.verify && (system.trust.match(/BEGIN CERTIFICATE/g)?.length ?? 0) > 10);
  assert.deepEqual(trustOf('disableValidation: true'), { trust: '', verify: false });
});

test('disableValidation is logged at every start and reload, with the router and the prefix', t => {
  const { tls, lines } = contexts(t);
  const config = clientWith(
    'kind: io.l5d.static, configs: [{prefix: /svc/x, tls: {disableValidation: true}}, {prefix: /off, tls: {disableValidation: true, enabled: false}}]',
  );
  for (let i = 0; i < 2; i++) {
    tls.prepare(config).commit();
    const said = lines();
    assert.equal(said.length, 1);
    assert.match(said[0], /^warn TLS to backends of \/svc\/x is not verified/);
  }
});

test('the expiry of certificates is exposed by context and, for client certificates, by router', t => {
  const notAfter = new Date(Date.UTC(2030, 0, 1));
  const { certFile, keyFile } = authority.issue({ names: ['a.test'], notAfter });
  const wallNow = () => notAfter.getTime() - 5_000;
  const { tls, exposed, lines } = contexts(t, { wallNow });
  const config = configOf(
    `routers: [{label: edge, servers: [{port: 0, dstName: /svc/a, tls: {defaultIdentity: ${identity({ certFile, keyFile })}}}], ` +
      `client: {tls: {dnsName: x, clientAuth: ${identity({ certFile, keyFile })}}}}]`,
  );
  const prepared = tls.prepare(config);
  const { fallback } = prepared.server(tlsOf(config));
  const secondsLeft = tls.expiryOf(fallback!);
  prepared.commit();
  assert.equal(secondsLeft(), 5);
  const [[labels, read]] = exposed;
  assert.deepEqual(labels, { rt: 'edge', identity: 'client', srv_addr: '' });
  assert.equal(read(), 5);
  assert.deepEqual(lines(), [`warn the certificate a.test in ${certFile} expires in less than an hour`]);
  tls.prepare(configOf('routers: []')).commit();
  assert.equal(exposed.size, 0);
});
