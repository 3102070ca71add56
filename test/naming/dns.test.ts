/** Hosts as live values, by a look-up that the test scripts and a clock that it turns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lookup } from '../../src/clients/dns/resolver.ts';
import { createDns, type Dns } from '../../src/naming/dns.ts';
import type { Host } from '../../src/naming/host.ts';
import { manualClock } from '../support/manual-clock.ts';
import { recordedLog } from '../support/naming.ts';

type Answer = readonly string[] | 'none' | Error;

/** A DNS whose answers follow each other; the last one repeats. */
function scripted(
  answers: Answer[],
  { random = () => 0.5, ttlMs = 5000 }: { random?: () => number; ttlMs?: number } = {},
) {
  const clock = manualClock(random);
  const log = recordedLog();
  const asked: [host: string, at: number][] = [];
  const lookup = async (host: string): Promise<Lookup> => {
    asked.push([host, clock.now()]);
    const answer = answers.length > 1 ? (answers.shift() as Answer) : answers[0];
    if (answer instanceof Error) throw answer;
    return answer === 'none' ? { type: 'none', ttlMs } : { type: 'found', ips: answer as string[], ttlMs };
  };
  return { dns: createDns({ lookup, clock, log }), asked, clock, log };
}

const noDns = new Error('DNS cannot resolve h: 10.0.0.53: no answer within 10 s');

function show(host: Host): string {
  if (host.state === 'failed') return `failed: ${host.error.message}`;
  const text = host.state === 'bound' ? host.ips.join() : host.state;
  return 'unconfirmed' in host ? `${text} (unconfirmed)` : text;
}

function follow(dns: Dns, host: string, how: 'resolve' | 'resolveOnce' = 'resolve') {
  const states: string[] = [];
  return { states, observer: dns[how](host).subscribe(state => states.push(show(state))) };
}

test('a host is looked up again when its TTL is over, give or take a tenth', async () => {
  for (const [random, second] of [
    [0, 4500],
    [0.5, 5000],
    [1, 5500],
  ]) {
    const { dns, asked, clock } = scripted([['10.0.0.1']], { random: () => random });
    const { states } = follow(dns, 'h');
    await clock.advance(6000);
    assert.deepEqual(states, ['pending', '10.0.0.1']);
    assert.deepEqual(asked.slice(0, 2), [
      ['h', 0],
      ['h', second],
    ]);
  }
});

test('the order of an answer does not count', async () => {
  const { dns, clock } = scripted([
    ['10.0.0.2', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.2'],
  ]);
  const { states } = follow(dns, 'h');
  await clock.advance(11_000);
  assert.deepEqual(states, ['pending', '10.0.0.1,10.0.0.2']);
});

test('observers of one host share its look-ups, and a late one starts with what is known', async () => {
  const { dns, asked, clock } = scripted([['10.0.0.1']]);
  follow(dns, 'h');
  await clock.advance(0);
  assert.deepEqual(follow(dns, 'h').states, ['10.0.0.1']);
  assert.equal(asked.length, 1);
});

test('a host is followed for 30 s after its last observer, so that an edit of a file forgets nothing', async () => {
  const { dns, asked, clock } = scripted([['10.0.0.1'], noDns]);
  const first = follow(dns, 'h');
  await clock.advance(6000);
  first.observer.unsubscribe();
  await clock.advance(20_000);
  assert.deepEqual(follow(dns, 'h').states, ['10.0.0.1 (unconfirmed)']);
  const second = follow(dns, 'other');
  second.observer.unsubscribe();
  const asksOf = (host: string) => asked.filter(([each]) => each === host).length;
  await clock.advance(30_000);
  const before = asksOf('other');
  await clock.advance(120_000);
  assert.equal(asksOf('other'), before, 'nobody looks any more');
});

test('of the hosts without an observer, a thousand are kept at most', async () => {
  const { dns, clock } = scripted([['10.0.0.1']]);
  for (let i = 0; i < 1500; i++) follow(dns, `h${i}`).observer.unsubscribe();
  await clock.advance(0);
  assert.equal(clock.waiting, 2000, 'for each of the thousand its next look-up and its end');
});

test('what is known outlives failures, which are logged once and again when they end', async () => {
  const { dns, clock, log } = scripted([['10.0.0.1'], noDns, noDns, ['10.0.0.1']]);
  const { states } = follow(dns, 'h');
  await clock.advance(4000);
  assert.equal(dns.failing, 0);
  await clock.advance(1200);
  assert.equal(dns.failing, 1);
  await clock.advance(30_000);
  assert.equal(dns.failing, 0);
  assert.deepEqual(states, ['pending', '10.0.0.1', '10.0.0.1 (unconfirmed)', '10.0.0.1']);
  assert.deepEqual(log.lines, [
    'warn: DNS cannot resolve h: 10.0.0.53: no answer within 10 s; its last known addresses stay in use; retrying',
    'info: DNS: h recovered',
  ]);
});

test('an outage of DNS logs at most ten lines a minute, however many names there are', async () => {
  const { dns, clock, log } = scripted([noDns]);
  for (let i = 0; i < 100; i++) follow(dns, `h${i}`);
  await clock.advance(0);
  assert.equal(dns.failing, 100);
  assert.equal(log.lines.length, 10);
});

test('a host that was never known is failed', async () => {
  const { dns, clock } = scripted([noDns, ['10.0.0.1']]);
  const { states } = follow(dns, 'h');
  await clock.advance(1000);
  assert.deepEqual(states, ['pending', `failed: ${noDns.message}`, '10.0.0.1']);
});

test('failures are retried soon at first, then up to 30 s later', async () => {
  const { dns, asked, clock } = scripted([noDns], { random: () => 0.999 });
  follow(dns, 'h');
  await clock.advance(60_000);
  assert.deepEqual(
    asked.map(([, at]) => Math.round(at / 1000)),
    [0, 0, 5, 15, 35],
  );
});

test('an address stays for two more answers without it: servers that give a random part of a list cause no churn', async () => {
  const { dns, clock } = scripted([
    ['10.0.0.1', '10.0.0.2'],
    ['10.0.0.2', '10.0.0.3'],
    ['10.0.0.1'],
    ['10.0.0.3'],
    ['10.0.0.3'],
  ]);
  const { states } = follow(dns, 'h');
  await clock.advance(40_000);
  assert.deepEqual(states, [
    'pending',
    '10.0.0.1,10.0.0.2',
    '10.0.0.1,10.0.0.2,10.0.0.3',
    '10.0.0.1,10.0.0.3',
    '10.0.0.3',
  ]);
});

test('with long TTLs an address that is missing goes after a minute', async () => {
  const { dns, clock } = scripted([['10.0.0.1'], ['10.0.0.2']], { ttlMs: 100_000 });
  const { states } = follow(dns, 'h');
  await clock.advance(210_000);
  assert.deepEqual(states, ['pending', '10.0.0.1', '10.0.0.1,10.0.0.2', '10.0.0.2']);
});

test('a host that existed is gone when three answers in a row say so; one that was never known is gone at once', async () => {
  const { dns, clock } = scripted([['10.0.0.1'], 'none', 'none', ['10.0.0.1'], 'none']);
  const { states } = follow(dns, 'h');
  await clock.advance(24_000);
  assert.deepEqual(states, ['pending', '10.0.0.1']);
  await clock.advance(10_000);
  assert.deepEqual(states, ['pending', '10.0.0.1', 'neg']);
  const other = scripted(['none']);
  const unknown = follow(other.dns, 'x');
  await other.clock.advance(0);
  assert.deepEqual(unknown.states, ['pending', 'neg']);
});

test('an address that could not be reached has its host looked up at once, but at most once a second', async () => {
  const { dns, asked, clock } = scripted([['10.0.0.1']], { ttlMs: 60_000 });
  follow(dns, 'h');
  await clock.advance(500);
  dns.nudge('10.0.0.1');
  dns.nudge('10.0.0.9');
  assert.equal(asked.length, 1);
  await clock.advance(500);
  dns.nudge('10.0.0.1');
  dns.nudge('10.0.0.1');
  await clock.advance(0);
  assert.equal(asked.length, 2);
});

test('an answer looked up once stands, also for those who come later', async () => {
  const { dns, asked, clock } = scripted([noDns, ['10.0.0.1'], ['10.0.0.2']]);
  const { states } = follow(dns, 'h', 'resolveOnce');
  await clock.advance(1000);
  assert.deepEqual(states, ['pending', `failed: ${noDns.message}`, '10.0.0.1']);
  await clock.advance(60_000);
  const lookups = asked.length;
  assert.deepEqual(follow(dns, 'h', 'resolveOnce').states, ['10.0.0.1']);
  await clock.advance(60_000);
  assert.equal(asked.length, lookups);
});
