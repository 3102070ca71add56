import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, type ObservableInput, of, Subject, throwError, VirtualTimeScheduler } from 'rxjs';
import { addrOfHosts, createDns, type Dns, type DnsOptions, type Host, shorthandIPv4 } from '../../src/naming/dns.ts';

/** A DNS whose answers follow each other; the last one repeats. */
function scripted(answers: ObservableInput<readonly string[]>[], options: DnsOptions = {}) {
  const scheduler = new VirtualTimeScheduler();
  const asked: [host: string, at: number][] = [];
  const lookup = (host: string) => {
    asked.push([host, scheduler.now()]);
    return answers.length > 1 ? (answers.shift() as ObservableInput<readonly string[]>) : answers[0];
  };
  const dns = createDns({ lookup, scheduler, random: () => 0.5, ...options });
  const advance = (ms: number) => {
    scheduler.maxFrames = scheduler.now() + ms;
    scheduler.schedule(() => {}, ms);
    scheduler.flush();
  };
  return { dns, asked, advance };
}

const unknownHost = () => throwError(() => Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
const serverFailure = () => throwError(() => Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }));

function show(host: Host): string {
  if (host.state === 'bound') return host.ips.join();
  return host.state === 'failed' ? `failed: ${host.error.message}` : host.state;
}

function follow(dns: Dns, host: string, how: keyof Dns = 'resolve') {
  const states: string[] = [];
  return { states, observer: dns[how](host).subscribe(state => states.push(show(state))) };
}

test('a host is looked up every five seconds while somebody looks', () => {
  const { dns, asked, advance } = scripted([
    of(['10.0.0.1']),
    of(['10.0.0.2', '10.0.0.1']),
    of(['10.0.0.1', '10.0.0.2']),
  ]);
  assert.equal(asked.length, 0);
  const { states, observer } = follow(dns, 'h');
  advance(11_000);
  assert.deepEqual(states, ['pending', '10.0.0.1', '10.0.0.1,10.0.0.2'], 'the order of an answer says nothing');
  assert.deepEqual(asked, [
    ['h', 0],
    ['h', 5000],
    ['h', 10_000],
  ]);
  observer.unsubscribe();
  advance(60_000);
  assert.equal(asked.length, 3);
});

test('lookups are spread by a tenth to either side', () => {
  for (const [random, second] of [
    [0, 4500],
    [1, 5500],
  ]) {
    const { dns, asked, advance } = scripted([of(['10.0.0.1'])], { random: () => random });
    const { observer } = follow(dns, 'h');
    advance(6000);
    assert.equal(asked[1][1], second);
    observer.unsubscribe();
  }
});

test('observers of one host share its lookups, and a late one starts with what is known', () => {
  const { dns, asked } = scripted([of(['10.0.0.1'])]);
  const first = follow(dns, 'h');
  const second = follow(dns, 'h');
  assert.deepEqual(second.states, ['10.0.0.1']);
  assert.equal(asked.length, 1);
  first.observer.unsubscribe();
  second.observer.unsubscribe();
  follow(dns, 'h').observer.unsubscribe();
  assert.equal(asked.length, 2, 'nobody looked in between');
});

test('the last good answer outlives failures, but not the word that the host is unknown', () => {
  const failures: string[] = [];
  const { dns, advance } = scripted(
    [serverFailure(), of(['10.0.0.1']), serverFailure(), unknownHost(), serverFailure(), of(['10.0.0.2'])],
    { onFailure: (host, error) => failures.push(`${host}: ${error.message}`) },
  );
  const { states, observer } = follow(dns, 'h');
  advance(26_000);
  assert.deepEqual(states, ['pending', 'failed: getaddrinfo EAI_AGAIN', '10.0.0.1', 'neg', '10.0.0.2']);
  assert.deepEqual(failures, Array(3).fill('h: getaddrinfo EAI_AGAIN'), 'what is bridged is still told');
  observer.unsubscribe();
});

test('an answer without addresses is the same as an unknown host', () => {
  const { dns } = scripted([of([])]);
  const { states, observer } = follow(dns, 'h');
  assert.deepEqual(states, ['pending', 'neg']);
  observer.unsubscribe();
});

test('an answer looked up once stands, also for those who come later', () => {
  const { dns, asked, advance } = scripted([serverFailure(), of(['10.0.0.1']), of(['10.0.0.2'])]);
  const { states } = follow(dns, 'h', 'resolveOnce');
  advance(60_000);
  assert.deepEqual(states, ['pending', 'failed: getaddrinfo EAI_AGAIN', '10.0.0.1']);
  assert.deepEqual(follow(dns, 'h', 'resolveOnce').states, ['10.0.0.1']);
  assert.equal(asked.length, 2);
});

test('numeric hosts and this machine need no DNS', () => {
  const { dns, asked } = scripted([NEVER]);
  const rows = { '127.1': '127.0.0.1', '10.0.0.1': '10.0.0.1', '::1': '::1', localhost: '127.0.0.1', '': '127.0.0.1' };
  for (const [host, ip] of Object.entries(rows)) assert.deepEqual(follow(dns, host).states, [ip]);
  assert.equal(asked.length, 0);
});

test('IPv4 may leave out parts in the middle', () => {
  const rows: [string, string | undefined][] = [
    ['127.1', '127.0.0.1'],
    ['1', '0.0.0.1'],
    ['4294967295', '255.255.255.255'],
    ['4294967296', undefined],
    ['1.16777215', '1.255.255.255'],
    ['1.2.65535', '1.2.255.255'],
    ['1.2.65536', undefined],
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4.5', undefined],
    ['1.2.3.', undefined],
    ['256.1', undefined],
    ['010.1', undefined],
    ['a.1', undefined],
    ['', undefined],
  ];
  for (const [host, ip] of rows) assert.equal(shorthandIPv4(host), ip, host);
});

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
