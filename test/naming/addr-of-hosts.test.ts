import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, of, Subject, VirtualTimeScheduler } from 'rxjs';
import { addrOfHosts } from '../../src/naming/addr-of-hosts.ts';
import type { Host } from '../../src/naming/host.ts';

test('several hosts make one set once each of them has been answered', () => {
  const hosts: Record<string, Subject<Host>> = { a: new Subject(), b: new Subject() };
  const states: unknown[] = [];
  const observer = addrOfHosts(
    [
      { host: 'a', port: 1, meta: { endpoint_addr_weight: 2 } },
      { host: 'b', port: 2, meta: {} },
    ],
    host => hosts[host],
  ).subscribe(addr =>
    states.push(
      addr.state === 'bound' ? addr.addresses.map(({ ip, port, meta }) => ({ ip, port, ...meta })) : addr.state,
    ),
  );
  hosts['a'].next({ state: 'bound', ips: ['10.0.0.1', '10.0.0.2'] });
  hosts['b'].next({ state: 'failed', error: new Error('no') });
  hosts['b'].next({ state: 'bound', ips: ['10.0.0.3'] });
  hosts['a'].next({ state: 'neg' });
  hosts['b'].next({ state: 'neg' });
  const a = [
    { ip: '10.0.0.1', port: 1, endpoint_addr_weight: 2 },
    { ip: '10.0.0.2', port: 1, endpoint_addr_weight: 2 },
  ];
  const b = [{ ip: '10.0.0.3', port: 2 }];
  assert.deepEqual(states, ['pending', a, [...a, ...b], b, 'neg']);
  observer.unsubscribe();
});

test('no hosts at all are a set without addresses', () => {
  addrOfHosts([], () => NEVER).subscribe(addr => assert.deepEqual(addr, { state: 'bound', addresses: [], meta: {} }));
});

test('a host whose DNS is silent holds up the others for two seconds', () => {
  const scheduler = new VirtualTimeScheduler();
  const slow = new Subject<Host>();
  const found: Host = { state: 'bound', ips: ['10.0.0.1'] };
  const states: [state: string, at: number][] = [];
  const observer = addrOfHosts(
    ['slow', 'quick'].map(host => ({ host, port: 1, meta: {} })),
    host => (host === 'slow' ? slow : of(found)),
    {},
    scheduler,
  ).subscribe(({ state }) => states.push([state, scheduler.now()]));
  scheduler.flush();
  assert.deepEqual(states, [
    ['pending', 0],
    ['bound', 2000],
  ]);
  observer.unsubscribe();
});

test('a set says that it is unconfirmed while one of its hosts fails', () => {
  const states: unknown[] = [];
  const failing: Host = { state: 'bound', ips: ['10.0.0.2'], unconfirmed: new Error('no DNS') };
  addrOfHosts(
    ['a', 'b'].map(host => ({ host, port: 1, meta: {} })),
    host => of<Host>(host === 'a' ? { state: 'bound', ips: ['10.0.0.1'] } : failing),
  ).subscribe(addr => states.push(addr.state === 'bound' && [addr.addresses.length, addr.unconfirmed?.message]));
  assert.deepEqual(states, [[2, 'no DNS']]);
});
