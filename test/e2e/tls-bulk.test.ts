/** Bulk that is decrypted here and encrypted anew: each way it arrives as it was sent, and memory stays bounded. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import tls, { type TLSSocket } from 'node:tls';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority } from '../support/certificates.ts';
import type { Program } from '../support/process.ts';
import { sized } from '../support/size.ts';
import { Bulk, carry } from '../support/tls-bulk.ts';
import { backend, tlsServer } from '../support/tls-peers.ts';
import { identityOf, startTlsProxy } from '../support/tls-proxy.ts';
import { until, within } from '../support/waiting.ts';

const mebibyte = 2 ** 20;
/** MiB up and down; still several times what memory may grow by. */
const small = [256, 64];
/** Garbage that the engine may leave uncollected; far less than the bytes moved. */
const residentToleranceBytes = 96 * mebibyte;

/** The most that was resident at once while `act` ran. */
async function peakOf(program: Program, act: () => Promise<void>): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, program.residentBytes())), 50);
  try {
    await act();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

for (const driver of driverKinds) {
  const [up, down] = driver === 'portable' ? small : sized({ quick: small, full: [2048, 256] });
  test(`${driver}: ${up} MiB up and ${down} MiB down, decrypted and encrypted anew, arrive as they were sent`, async t => {
    const ca = createAuthority(t);
    const identity = ca.issue({ names: ['bulk.test'] });
    let accepted = Promise.withResolvers<TLSSocket>();
    const server = await backend(
      t,
      tlsServer(identity, socket => accepted.resolve(socket)),
    );
    const proxy = await startTlsProxy(t, {
      driver,
      disco: { bulk: [server.port] },
      servers: { '/svc/bulk': { tls: { defaultIdentity: identityOf(identity) } } },
      clients: { '/svc': { tls: { dnsName: 'bulk.test', trustCerts: [ca.file] } } },
    });
    const connect = async (): Promise<readonly [TLSSocket, TLSSocket]> => {
      accepted = Promise.withResolvers();
      const to = { host: '127.0.0.1', port: proxy.port, ca: ca.certificate, servername: 'bulk.test' };
      const client = tls.connect({ ...to, allowHalfOpen: true } as tls.ConnectionOptions);
      t.after(() => client.destroy());
      return [client, await within(accepted.promise, 'the server to be reached')];
    };
    const move = async (isUpload: boolean, amount: number): Promise<void> => {
      const [client, upstream] = await connect();
      const [from, to] = isUpload ? [client, upstream] : [upstream, client];
      await within(carry(new Bulk(amount), from, to), `${amount} bytes to arrive`, 300_000);
      to.end();
      await within(once(from.resume(), 'end'), 'the other end');
    };
    for (const isUpload of [true, false]) await move(isUpload, 16 * mebibyte);
    const before = proxy.program.residentBytes();

    for (const [amount, isUpload] of [
      [up, true],
      [down, false],
    ] as const)
      await t.test(`${amount} MiB ${isUpload ? 'to the backend' : 'to the client'}`, async t => {
        const start = performance.now();
        const peak = await peakOf(proxy.program, () => move(isUpload, amount * mebibyte));
        const seconds = (performance.now() - start) / 1000;
        t.diagnostic(`${seconds.toFixed(1)} s, ${Math.round(amount / seconds)} MiB/s`);
        t.diagnostic(`${(before / mebibyte).toFixed(0)} MiB resident, ${(peak / mebibyte).toFixed(0)} at most`);
        assert.ok(peak - before < residentToleranceBytes, `${peak - before} bytes more`);
      });

    await t.test('a receiver that does not read holds up the sender, not memory', async () => {
      const [client, upstream] = await connect();
      upstream.pause();
      const sending = new Bulk(64 * mebibyte);
      const sent = sending.send(client);
      let last = -1;
      const peak = await peakOf(proxy.program, async () => {
        await until(
          () => {
            const isStuck = client.bytesWritten === last;
            last = client.bytesWritten;
            return isStuck;
          },
          'the sender to be held up',
          { everyMs: 200 },
        );
      });
      await within(Promise.all([sent, sending.receive(upstream)]), 'the rest to arrive');
      upstream.end();
      await within(once(client.resume(), 'end'), 'the other end');
      assert.ok(last < 32 * mebibyte, `${last} bytes were taken`);
      assert.ok(peak - before < residentToleranceBytes, `${peak - before} bytes more`);
    });

    const ends = () => proxy.recordsOf('/svc/bulk').map(({ end }) => end);
    await until(() => ends().length === 5, 'all to be over');
    assert.deepEqual(new Set(ends()), new Set(['--']));
    const { rxBytes, txBytes } = proxy.recordsOf('/svc/bulk')[2] ?? {};
    assert.deepEqual([rxBytes, txBytes], [up * mebibyte, 0]);
  });
}
