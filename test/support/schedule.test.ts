/** Schedules and their promises hold on a plain connection: whatever they find through the proxy is the proxy's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listeningPeer } from './peer.ts';
import { compareDirectAndProxied, type Outcome, runSchedule } from './run-schedule.ts';
import { schedules } from './schedule.ts';

test('a direct connection keeps every promise of 150 random schedules', async t => {
  const upstream = await listeningPeer(t);
  await fc.assert(
    fc.asyncProperty(schedules, async schedule => {
      const seen = await runSchedule(schedule, upstream, upstream.port);
      compareDirectAndProxied(schedule, seen, seen);
    }),
    { numRuns: 150, seed: 20, endOnFailure: true },
  );
});

test('a schedule has every kind of ending, and torn ones only after a side has heard the other', () => {
  const drawn = fc.sample(schedules, { numRuns: 500, seed: 21 });
  const lastOf = (moves: readonly { readonly do: string }[]) => moves.at(-1)?.do;
  assert.ok(drawn.some(({ client }) => lastOf(client) === 'reset'));
  assert.ok(drawn.some(({ server }) => lastOf(server) === 'reset'));
  for (const { client, server } of drawn) {
    for (const moves of [client, server]) {
      if (lastOf(moves) === 'reset') assert.ok(moves.some(move => move.do.startsWith('hear')));
    }
  }
});

test('truncation, a false end and a missing reset are all found', async t => {
  const upstream = await listeningPeer(t);
  const drawn = fc.sample(schedules, { numRuns: 200, seed: 22 });
  const clean = drawn.find(({ sees }) => sees.server.sent > 0 && sees.server.ends.join() === 'end');
  const torn = drawn.find(({ sees }) => sees.server.ends.join() === 'reset');
  assert.ok(clean && torn);
  const good = await runSchedule(clean, upstream, upstream.port);
  const change = (outcome: Outcome, seen: Partial<Outcome['server']>): Outcome => ({
    ...outcome,
    server: { ...outcome.server, ...seen },
  });
  assert.throws(() => compareDirectAndProxied(clean, good, change(good, { bytes: good.server.bytes - 1 })), /at least/);
  assert.throws(() => compareDirectAndProxied(clean, good, change(good, { end: 'reset' })), /saw reset/);
  assert.throws(() => compareDirectAndProxied(clean, good, change(good, { digest: 'other' })));
  const bad = await runSchedule(torn, upstream, upstream.port);
  assert.throws(() => compareDirectAndProxied(torn, bad, change(bad, { end: 'end' })), /saw end/);
});
