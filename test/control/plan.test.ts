/** The plan of a configuration: known destinations, and those made when a client names them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamingGraph } from '../../src/control/naming-graph.ts';
import { planOf } from '../../src/control/plan.ts';
import type { PreparedTls } from '../../src/control/tls-contexts.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';

/** Contexts have the number of their place; what they are made of is another test's. */
const tls: Pick<PreparedTls, 'server' | 'client'> = {
  server: () => ({ exact: {}, wildcard: {}, fallback: 7 }),
  client: ({ serverName }) => ({ context: 8, serverName }),
};

function plan(router: object) {
  const text = JSON.stringify({ routers: [{ label: 'edge', ...router }] });
  const naming = new NamingGraph(silentLog, new Registry({ pages: 1 }), kinds);
  const { routes, listeners } = planOf(loadLinkerdTcp({ file: '<stdin>', text }, kinds), naming, tls);
  return { routes, listeners: [...listeners.values()] };
}

const sni = { route: true };

test('a server that routes by name has no destination until a client names one', () => {
  const { routes, listeners } = plan({ servers: [{ port: 1, dstName: '/svc/{sni}', sni }] });
  assert.equal(routes.size, 0);
  assert.equal(listeners[0].route, null);
  assert.deepEqual(listeners[0].named?.('a.test').settings.dst, ['svc', 'a.test']);
});

test('its default is a destination like any other', () => {
  const servers = [{ port: 1, dstName: '/svc/{sni}', sni: { ...sni, default: '/svc/other' } }];
  const { routes, listeners } = plan({ servers });
  assert.deepEqual([...routes.keys()], [listeners[0].route]);
  assert.deepEqual(routes.get(listeners[0].route!)?.dst, ['svc', 'other']);
});

test('a destination that a client names has the key and the settings that it has in the configuration', () => {
  const servers = [
    { port: 1, dstName: '/svc/{sni}', sni },
    { port: 2, dstName: '/svc/a.test' },
  ];
  const { routes, listeners } = plan({ servers });
  const { key, settings } = listeners[0].named!('a.test');
  assert.equal(key, listeners[1].route);
  assert.deepEqual(settings, routes.get(key));
  assert.equal(listeners[1].named, null);
});

test('client settings by prefix apply to each destination that is made', () => {
  const configs = [
    { prefix: '/svc', connectTimeoutMs: 100 },
    { prefix: '/svc/b.test', connectTimeoutMs: 200 },
  ];
  const client = { kind: 'io.l5d.static', configs };
  const { listeners } = plan({ servers: [{ port: 1, dstName: '/svc/{sni}', sni }], client });
  const timeouts = ['a.test', 'b.test'].map(name => listeners[0].named?.(name).settings.client.connectTimeoutMs);
  assert.deepEqual(timeouts, [100, 200]);
});

test('a destination gets the server name that its prefix captures; if that is not a name, it is negative', () => {
  const client = { kind: 'io.l5d.static', configs: [{ prefix: '/svc/{name}', tls: { dnsName: '{name}.internal' } }] };
  const { listeners } = plan({ servers: [{ port: 1, dstName: '/svc/{sni}', sni }], client });
  const web = listeners[0].named!('web').settings;
  assert.deepEqual(web.client.tls, { context: 8, serverName: 'web.internal' });
  assert.equal(web.problem, undefined);
  const long = listeners[0].named!('a'.repeat(64)).settings;
  assert.match(long.problem ?? '', /^TLS to it: .*aaa\.internal/);
  assert.equal(long.client.tls, null);
});
