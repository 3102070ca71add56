import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { filter, firstValueFrom } from 'rxjs';
import { parsePath } from '../../src/dtab/parse.ts';
import { showPath, showTreeOf } from '../../src/dtab/show.ts';
import { pendingAddr } from '../../src/naming/addr.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { createDns } from '../../src/naming/dns.ts';
import type { Name } from '../../src/naming/name.ts';

const hosts: Record<string, readonly string[]> = { known: ['10.0.0.2', '10.0.0.1'], localhost: ['127.0.0.1', '::1'] };
const namer = builtinNamer(
  createDns({
    lookup: host =>
      host in hosts ? Promise.resolve({ type: 'found', ips: hosts[host], ttlMs: 5000 }) : new Promise(() => {}),
  }),
);

async function answer(rest: string): Promise<string> {
  const state = await firstValueFrom(namer.lookup(parsePath(rest)));
  if (state.state !== 'ok') return state.state === 'failed' ? `failed: ${state.error.message}` : state.state;
  return showTreeOf<Name>(state.value, name =>
    name.type === 'path' ? showPath(name.path) : `${showPath(name.bound.id)} (${showPath(name.bound.residual)})`,
  );
}

async function addresses(rest: string): Promise<string[] | string> {
  const state = await firstValueFrom(namer.lookup(parsePath(rest)));
  assert.ok(state.state === 'ok' && state.value.type === 'leaf' && state.value.value.type === 'bound');
  const known = state.value.value.bound.addr.pipe(filter(({ state }) => state !== 'pending'));
  const addr = await Promise.race([firstValueFrom(known), setImmediate(pendingAddr)]);
  return addr.state === 'bound' ? addr.addresses.map(({ ip, port }) => `${ip}:${port}`) : addr.state;
}

suite('what follows /$/', () => {
  const utility = 'io.buoyant';
  const http = `${utility}.http`;
  const rows: [path: string, answer: string][] = [
    [`${utility}.hostportPfx/ia/127.1:8080/etc`, '/ia/127.1/8080/etc'],
    [`${utility}.hostportPfx/ia/google.com:8180/etc`, '/ia/google.com/8180/etc'],
    [`${utility}.hostportPfx/ia/google.com:8180:abcdef/etc`, '~'],
    [`${utility}.hostportPfx/ia/google.com:http/etc`, '/ia/google.com/http/etc'],
    [`${utility}.hostportPfx/ia/google.com:http:abcdef/etc`, '~'],
    [`${utility}.hostportPfx/ia/google.com:HTTP/etc`, '~'],
    [`${utility}.hostportPfx/ia/google.com:${'p'.repeat(64)}/etc`, '~'],
    [`${utility}.hostportPfx/ia/:80/etc`, '~'],
    [`${utility}.hostportPfx/ia`, '~'],
    [`${utility}.hostportPfx`, '~'],
    [`${utility}.porthostPfx/ia/127.1:8080/etc`, '/ia/8080/127.1/etc'],
    [`${utility}.porthostPfx/ia/127.1:http/etc`, '/ia/http/127.1/etc'],
    [`${utility}.rinet/12345/localhost/residual`, '/$/io.buoyant.rinet/12345/localhost (/residual)'],
    [`${utility}.rinet/localhost/12345`, '~'],
    [`${http}.anyMethod/GET/foo/bar/bah`, '/foo/bar/bah'],
    [`${http}.anyMethod/A.B/foo/bar/bah`, '~'],
    [`${http}.anyMethodPfx/foo/GET/bar/bah`, '/foo/bar/bah'],
    [`${http}.anyMethodPfx/foo/A.B/bar/bah`, '~'],
    [`${http}.anyHost/a.b/foo/bar/bah`, '/foo/bar/bah'],
    [`${http}.anyHost/a%b/foo/bar/bah`, '~'],
    [`${http}.anyHostPfx/foo/a.b/bar/bah`, '/foo/bar/bah'],
    [`${http}.anyHostPfx/foo/a%b/bar/bah`, '~'],
    [`${http}.subdomainOf/a.b/foo.a.b/bar/bah`, '/foo/bar/bah'],
    [`${http}.subdomainOf/a.b/a.b/bar`, '~'],
    [`${http}.subdomainOf/a.b/.a.b/bar`, '~'],
    [`${http}.subdomainOf/a.b/fooa.b/bar`, '~'],
    [`${http}.subdomainOfPfx/a.b/foo/bar.a.b/bah`, '/foo/bar/bah'],
    [`${http}.subdomainOfPfx/a.b/foo/bar_suffix.a.b/bah`, '/foo/bar_suffix/bah'],
    [`${http}.subdomainOfPfx/a.b/foo/bar-suffix.a.b/bah`, '/foo/bar-suffix/bah'],
    [`${http}.subdomainOfPfx/a.b/foo/bar.a.b:9090/bah`, '/foo/bar/bah'],
    [`${http}.domainToPath/foo.buoyant.io`, '/io/buoyant/foo'],
    [`${http}.domainToPath/foo.buoyant.io./x`, '/io/buoyant/foo/x'],
    [`${http}.domainToPath/foo..io`, '~'],
    [`${http}.domainToPathPfx/pfx/foo.buoyant.io`, '/pfx/io/buoyant/foo'],
    [`${http}.domainToPathPfx/pfx`, '~'],
    ['inet/h/80/r', '/$/inet/h/80 (/r)'],
    ['inet/80/r', '/$/inet/80 (/r)'],
    ['inet/80/8080', '/$/inet/80/8080 (/)'],
    ['inet/::1/80', '/$/inet/::1/80 (/)'],
    ['inet/h/65536', 'failed: Unknown namer: /$/inet/h/65536 (expected /$/inet/<host>/<port> or /$/inet/<port>)'],
    ['fixedinet/h/80/r', '/$/fixedinet/h/80 (/r)'],
    ['fixedinet/80', '/$/fixedinet/80 (/)'],
    ['nil', '$'],
    ['fail/x', '!'],
    ['constructor/x', 'failed: Unknown namer: constructor'],
    ['io.buoyant.namer.zk.leader/h:1/x', 'failed: Unknown namer: io.buoyant.namer.zk.leader'],
    ['', '~'],
  ];
  for (const [path, expected] of rows)
    test(`${path} → ${expected}`, async () => assert.equal(await answer(`/${path}`), expected));
});

suite('where names with a host and a port are', () => {
  const rows: [path: string, addresses: string[] | string][] = [
    ['/inet/127.1/8080', ['127.0.0.1:8080']],
    ['/inet/10.1.300/1', ['10.1.1.44:1']],
    ['/inet/1234/80', ['0.0.4.210:80']],
    ['/inet/::1/80', ['::1:80']],
    ['/inet/localhost/1', ['127.0.0.1:1', '::1:1']],
    ['/inet/8080', ['127.0.0.1:8080']],
    ['/inet/known/80', ['10.0.0.1:80', '10.0.0.2:80']],
    ['/inet/127.01/80', 'pending'],
    ['/inet/1.2.3.256/80', 'pending'],
    ['/fixedinet/127.1/80', ['127.0.0.1:80']],
    ['/io.buoyant.rinet/12345/localhost/residual', ['127.0.0.1:12345', '::1:12345']],
  ];
  for (const [path, expected] of rows)
    test(`${path} → ${expected}`, async () => assert.deepEqual(await addresses(path), expected));
});
