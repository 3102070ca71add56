/** The resolver against a DNS server that answers, lies, drops, truncates and fails. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { controlLookup } from '../../../src/clients/dns/control-lookup.ts';
import { Resolver, type ResolverOptions } from '../../../src/clients/dns/resolver.ts';
import { type Answering, a, aaaa, cname, fakeDnsServer, nxdomain, soa, zone } from '../../support/fake-dns-server.ts';
import type { Scope } from '../../support/scope.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/waiting.ts';

const families = { hasIPv6: false, hasIPv6Loopback: true };

async function start(
  t: Scope,
  answering: Answering,
  { conf = '', hosts = '', ...options }: ResolverOptions & { conf?: string; hosts?: string } = {},
) {
  const { path: dir } = tempDir(t);
  const [resolvConfFile, hostsFile] = [join(dir, 'resolv.conf'), join(dir, 'hosts')];
  await writeFile(resolvConfFile, `nameserver 127.0.0.1\noptions timeout:1 attempts:2\n${conf}`);
  await writeFile(hostsFile, hosts);
  const server = await fakeDnsServer(t, answering);
  const resolver = new Resolver({
    resolvConfFile,
    hostsFile,
    port: server.port,
    families: () => families,
    ...options,
  });
  t.after(() => resolver.close());
  const names = () => server.asked.map(({ name, type, over }) => `${name} ${type} ${over}`);
  return { server, resolver, resolvConfFile, hostsFile, names };
}

test('a name has the addresses of its A records for as long as their TTL, between 5 s and 5 minutes', async t => {
  for (const [ttl, ttlMs] of [
    [60, 60_000],
    [0, 5000],
    [86_400, 300_000],
  ]) {
    const { resolver } = await start(t, ({ name }) => ({
      answers: [a(name, '10.0.0.1', ttl), a(name, '10.0.0.2', 90_000)],
    }));
    assert.deepEqual(await resolver.lookup('web.example'), { type: 'found', ips: ['10.0.0.1', '10.0.0.2'], ttlMs });
  }
});

test('an answer is used again until its TTL is over', async t => {
  let now = 0;
  const { resolver, server } = await start(t, zone({ web: ['10.0.0.1'] }), { now: () => now });
  await resolver.lookup('web');
  now = 59_999;
  await resolver.lookup('WEB');
  assert.equal(server.asked.length, 1);
  await resolver.lookup('web', { isFresh: true });
  now = 120_000;
  await resolver.lookup('web');
  assert.equal(server.asked.length, 3);
});

test('IPv6 addresses are asked for where the machine has IPv6, and a failure of one family is no failure', async t => {
  const answering: Answering = ({ name, type }) =>
    type === 'A' ? { rcode: 2 } : { answers: [aaaa(name, '2001:db8::1')] };
  const { resolver } = await start(t, answering, { families: () => ({ ...families, hasIPv6: true }) });
  assert.deepEqual(await resolver.lookup('web'), { type: 'found', ips: ['2001:db8::1'], ttlMs: 60_000 });
});

test('an answer that does not fit into a packet is asked for again over TCP', async t => {
  const many = Array.from({ length: 2000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  const { resolver, names } = await start(t, ({ name }) => ({
    isTruncated: true,
    answers: many.map(ip => a(name, ip)),
  }));
  const lookup = await resolver.lookup('big');
  assert.equal(lookup.type === 'found' && lookup.ips.length, 2000);
  assert.deepEqual(names(), ['big A udp', 'big A tcp']);
});

test('aliases are followed, also to names that the same answer does not explain; the shortest TTL counts', async t => {
  const { resolver } = await start(t, ({ name }) => {
    if (name === 'web') return { answers: [cname('web', 'Cdn.example', 30), cname('cdn.example', 'edge.example', 7)] };
    return { answers: [a(name, '10.0.0.9')] };
  });
  assert.deepEqual(await resolver.lookup('web'), { type: 'found', ips: ['10.0.0.9'], ttlMs: 7000 });
});

test('aliases that lead in a circle are a failure', async t => {
  const { resolver } = await start(t, ({ name }) => ({ answers: [cname(name, `${name}x`)] }));
  await assert.rejects(resolver.lookup('a'), /DNS cannot resolve a: more than 8 aliases \(CNAME\) in a row/);
  const circle = await start(t, () => ({ answers: [cname('a', 'b'), cname('b', 'a')] }));
  await assert.rejects(circle.resolver.lookup('a'), /aliases/);
});

test('answers to another question, with another id or another letter case, are not believed', async t => {
  const { resolver } = await start(t, ({ name }) => ({
    answers: [a(name, '10.0.0.1')],
    lies: [
      { id: 1, answers: [a(name, '6.6.6.6')] },
      { name: 'other', answers: [a(name, '6.6.6.6')] },
    ],
  }));
  const lookup = await resolver.lookup('a-name-that-is-long-enough-to-have-letters-of-both-cases');
  assert.deepEqual(lookup.type === 'found' && lookup.ips, ['10.0.0.1']);
});

test('a server that does not keep the letter case is asked again over TCP', async t => {
  const { resolver, names } = await start(t, ({ name }) => ({ answers: [a(name, '10.0.0.1')], isLowerCased: true }));
  const name = 'x'.repeat(60);
  assert.equal((await resolver.lookup(name)).type, 'found');
  assert.deepEqual(names(), [`${name} A udp`, `${name} A tcp`]);
});

test('each question has its own port, id and letter case', async t => {
  const { resolver, server } = await start(t, zone({}));
  for (let i = 0; i < 20; i++) await resolver.lookup('abcdefghijklmnop', { isFresh: true });
  for (const part of ['port', 'id', 'name'] as const)
    assert.ok(new Set(server.seen.map(each => each[part])).size > 15, `${part} is drawn at random`);
});

test('no such name and no address are answers, believed as long as the SOA record says, at most 30 s', async t => {
  const soaOf = (minimum: number) => ({ authorities: [soa('example', minimum)] });
  const { resolver } = await start(t, ({ name }) => {
    if (name === 'gone') return { ...nxdomain, ...soaOf(20) };
    return name === 'long' ? { ...nxdomain, ...soaOf(900) } : {};
  });
  assert.deepEqual(await resolver.lookup('gone'), { type: 'none', ttlMs: 20_000 });
  assert.deepEqual(await resolver.lookup('long'), { type: 'none', ttlMs: 30_000 });
  assert.deepEqual(await resolver.lookup('no-data'), { type: 'none', ttlMs: 5000 });
});

test('a name is completed by the search list, as ndots says', async t => {
  const { resolver, names } = await start(t, zone({ 'web.svc': ['10.0.0.1'] }), {
    conf: 'search ns.svc svc\noptions ndots:2',
  });
  assert.equal((await resolver.lookup('web')).type, 'found');
  assert.deepEqual(names(), ['web.ns.svc A udp', 'web.svc A udp']);
});

test('a search domain whose servers fail does not hide that the next one has the name, nor makes a name unknown', async t => {
  const failing =
    (name: string): Answering =>
    asked =>
      asked.name === name ? { rcode: 2 } : zone({ 'web.svc': ['10.0.0.1'] })(asked);
  const { resolver } = await start(t, failing('web.ns.svc'), { conf: 'search ns.svc svc' });
  assert.equal((await resolver.lookup('web')).type, 'found');
  const other = await start(t, failing('db.ns.svc'), { conf: 'search ns.svc svc' });
  await assert.rejects(
    other.resolver.lookup('db'),
    /DNS cannot resolve db\.ns\.svc: 127\.0\.0\.1:\d+: answered SERVFAIL/,
  );
});

test('a packet that is lost is sent again after a second', async t => {
  const { resolver, server } = await start(t, zone({ web: ['10.0.0.1'] }));
  server.answering = () => {
    server.answering = zone({ web: ['10.0.0.1'] });
    return 'drop';
  };
  assert.equal((await resolver.lookup('web')).type, 'found');
  assert.equal(server.asked.length, 2);
});

test('the next server is asked when one is silent for a second, and is asked first from then on', async t => {
  const names = zone({ a: ['10.0.0.1'], b: ['10.0.0.2'] });
  const { resolver, server } = await start(t, () => 'drop', { conf: 'nameserver 127.0.0.2' });
  const second = await fakeDnsServer(t, names, { ip: '127.0.0.2', port: server.port });
  assert.equal((await resolver.lookup('a')).type, 'found');
  assert.equal((await resolver.lookup('b')).type, 'found');
  assert.deepEqual([server.asked.length, second.asked.length], [1, 2]);
});

test('silence is a failure that names the server, within timeout × attempts', async t => {
  const { resolver } = await start(t, () => 'drop', { conf: 'options attempts:1' });
  await assert.rejects(resolver.lookup('web'), {
    message: /^DNS cannot resolve web: 127\.0\.0\.1:\d+: no answer within 1 s$/,
  });
  assert.equal(resolver.outcomes.failed, 1);
});

test('an answer that comes late counts, and a server that is not there is a failure', async t => {
  const { resolver } = await start(t, ({ name }) => ({ answers: [a(name, '10.0.0.1')], delayMs: 1100 }));
  assert.equal((await resolver.lookup('late')).type, 'found');
  const gone = new Resolver({ resolvConfFile: '/nonexistent', hostsFile: '/nonexistent', port: 1 });
  t.after(() => gone.close());
  await assert.rejects(gone.lookup('web'), /DNS cannot resolve web: .*(ECONNREFUSED|no answer|EPERM|ENETUNREACH)/);
});

test('names of hosts files, numeric names and localhost need no DNS; localhost is IPv6 as well', async t => {
  const { resolver, server } = await start(t, zone({}), { hosts: '10.0.0.7 web.local\n' });
  const ips = async (host: string) => {
    const lookup = await resolver.lookup(host);
    return lookup.type === 'found' ? lookup.ips : lookup.type;
  };
  assert.deepEqual(await ips('WEB.local'), ['10.0.0.7']);
  assert.deepEqual(await ips('::1'), ['::1']);
  assert.deepEqual(await ips('localhost'), ['127.0.0.1', '::1']);
  assert.equal(server.asked.length, 0);
});

test('what is no DNS name does not exist, and is not asked for', async t => {
  const { resolver, server } = await start(t, zone({}));
  for (const name of ['a b', 'a..b', 'x'.repeat(64), 'x.'.repeat(130), ''])
    assert.equal((await resolver.lookup(name)).type, 'none', name);
  assert.equal(server.asked.length, 0);
});

test('resolv.conf and hosts are followed', async t => {
  const { resolver, resolvConfFile, hostsFile } = await start(t, zone({ 'web.svc': ['10.0.0.1'] }), { now: () => 0 });
  assert.equal((await resolver.lookup('web')).type, 'none');
  await writeFile(resolvConfFile, 'nameserver 127.0.0.1\nsearch svc\n');
  await writeFile(hostsFile, '10.0.0.8 other\n');
  const isFound = async (host: string) => (await resolver.lookup(host, { isFresh: true })).type === 'found';
  await until(() => isFound('web'), 'the new search list');
  await until(() => isFound('other'), 'the new line of the hosts file');
});

test('seventy names whose DNS is silent do not hold up a control link', async t => {
  const { resolver } = await start(
    t,
    asked => (asked.name.startsWith('silent') ? 'drop' : zone({ namerd: ['10.0.0.5'] })(asked)),
    { conf: 'options attempts:1' },
  );
  const silent = Array.from({ length: 70 }, (_, i) => resolver.lookup(`silent-${i}`).catch(() => 'failed'));
  const startedAt = performance.now();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  controlLookup(() => resolver)('namerd', { all: true }, (_error, addresses) => resolve(addresses));
  assert.deepEqual(await promise, [{ address: '10.0.0.5', family: 4 }]);
  assert.ok(performance.now() - startedAt < 900, 'before the first of the silent ones gives up');
  await Promise.all(silent);
});

test('a control link keeps the last known address while DNS fails, and learns that a host does not exist', async t => {
  let now = 0;
  const { resolver, server } = await start(t, zone({ namerd: ['10.0.0.5'] }), {
    now: () => now,
    conf: 'options attempts:1',
  });
  const lookup = (options: object) =>
    new Promise((resolve, reject) =>
      controlLookup(() => resolver)('namerd', options, (error, address) => (error ? reject(error) : resolve(address))),
    );
  assert.equal(await lookup({}), '10.0.0.5');
  server.answering = () => ({ rcode: 2 });
  now = 3_600_000;
  assert.equal(await lookup({ family: 4 }), '10.0.0.5');
  server.answering = () => nxdomain;
  await assert.rejects(lookup({}), { code: 'ENOTFOUND', message: 'no such host: namerd' });
});
