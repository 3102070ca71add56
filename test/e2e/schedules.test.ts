/**
 * Random schedules of send, pause, stall, half-close, close and reset look through the proxy as they do on a direct connection.
 * A failure prints the smallest schedule that fails. SCHEDULE_SEED draws others.
 */

import { test } from 'node:test';
import fc from 'fast-check';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { listeningPeer } from '../support/peer.ts';
import { compareDirectAndProxied, runSchedule } from '../support/run-schedule.ts';
import { schedules } from '../support/schedule.ts';
import { sized } from '../support/size.ts';

const total = sized({ quick: 240, full: 4_000 });
/** Each lane has an upstream of its own, so the connection that arrives there is the one of the schedule at hand. */
const lanes = 8;
const seed = Number(process.env['SCHEDULE_SEED'] ?? 1);

for (const driver of driverKinds) {
  test(`${driver}: ${total} random schedules show the same bytes and ends as on a direct connection`, async t => {
    const upstreams = await Promise.all(Array.from({ length: lanes }, () => listeningPeer(t)));
    const names = upstreams.map((_, i) => `lane${i}`);
    const proxy = await startLinkerdTcp(
      t,
      fsRouting({
        driver,
        dtab: '/svc => /#/io.l5d.fs;',
        disco: Object.fromEntries(upstreams.map(({ port }, i) => [names[i], [port]])),
        servers: Object.fromEntries(names.map(name => [`/svc/${name}`, ''])),
      }),
    );
    await Promise.all(
      upstreams.map((upstream, i) =>
        fc.assert(
          fc.asyncProperty(schedules, async schedule => {
            const direct = await runSchedule(schedule, upstream, upstream.port);
            const proxied = await runSchedule(schedule, upstream, proxy.ports.get(`/svc/${names[i]}`) as number);
            compareDirectAndProxied(schedule, direct, proxied);
          }),
          {
            numRuns: Math.ceil(total / lanes),
            seed: seed * lanes + i,
            interruptAfterTimeLimit: sized({ quick: 120_000, full: 1_800_000 }),
            markInterruptAsFailure: true,
          },
        ),
      ),
    );
  });
}
