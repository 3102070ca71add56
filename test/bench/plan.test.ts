/** The arguments of the benchmark. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goals } from '../../bench/goals.ts';
import { planned } from '../../bench/plan.ts';

const descriptors = 20_000;
const plan = (...args: readonly string[]) =>
  planned(args, descriptors).map(({ name, rows, proxies }) => ({
    name,
    rows: rows.map(({ id }) => id),
    proxies: proxies.map(proxy => proxy.name),
  }));

test('without arguments each suite is measured with all its rows, and reported under its own name', () => {
  const [plain, tls, ...more] = plan();
  assert.deepEqual(more, []);
  assert.equal(plain?.name, 'plain-tcp');
  assert.ok(plain?.rows.includes('get-50'));
  assert.equal(tls?.name, 'tls');
  assert.deepEqual(tls?.rows, [
    ...['tls-handshakes-full', 'tls-handshakes-resumed', 'tls-bulk', 'tls-get-50', 'tls-idle'],
  ]);
});

test('a suite without a selected row is not run', () => {
  const asked = ['--rows', 'tls-bulk,tls-idle', '--proxies', 'haproxy,uring'];
  assert.deepEqual(plan(...asked, '--name', 'mine'), [
    { name: 'mine-tls', rows: ['tls-bulk', 'tls-idle'], proxies: ['haproxy', 'uring'] },
  ]);
  assert.deepEqual(
    plan('--suite', 'tls', '--quick').map(({ name }) => name),
    ['quick-tls'],
  );
});

test('HAProxy with splice takes part only in bulk rows without TLS', () => {
  const takesPart = (rows: string): boolean => plan('--rows', rows)[0]?.proxies.includes('haproxy-splice') === true;
  assert.ok(takesPart('bulk'));
  assert.ok(!takesPart('get-50'));
  assert.ok(!takesPart('tls-bulk'));
});

test('a name that does not exist is refused with those that do', () => {
  assert.throws(() => plan('--rows', 'tls-bulky'), /unknown: tls-bulky; there are get-50, .*tls-bulk/);
  assert.throws(() => plan('--suite', 'udp'), /unknown: udp; there are plain-tcp, tls$/);
  assert.throws(() => plan('--rounds', '0'), /--rounds 0: must be a number above 0/);
});

test('every goal is about something that is measured', () => {
  const plans = planned([], descriptors);
  for (const { title, row, metric, proxy, baseline } of goals) {
    const found = plans.find(({ rows }) => rows.some(({ id }) => id === row));
    const names = found?.proxies.map(({ name }) => name) ?? [];
    assert.ok(names.includes(proxy) && (baseline === undefined || names.includes(baseline)), title);
    const keys = found?.rows.find(({ id }) => id === row)?.metrics.map(({ key }) => key);
    assert.ok(keys?.includes(metric), `${title}: ${metric}`);
  }
});
