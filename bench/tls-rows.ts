/** The rows with TLS, which every proxy terminates: handshakes, bulk, small messages and memory. */
import { withScope } from '../test/support/scope.ts';
import type { BulkOrder, BulkResult } from './bulk-client.ts';
import { startClient } from './client-process.ts';
import type { HandshakeOrder, HandshakeResult } from './handshake-client.ts';
import { idleRow } from './idle-row.ts';
import { redisBenchmark } from './load.ts';
import { costOf } from './process-cost.ts';
import { perCpuSecond, perSecond, type Row, type Size, type Subject } from './row.ts';
import type { Identity } from './tls-agreement.ts';

/** Enough to divide by; each costs the client as much as the proxy. */
const idleConnections = 2000;

export function tlsRows({ effort, mostConnections }: Size): Row[] {
  return [
    handshakeRow('full', Math.round(4000 * effort)),
    handshakeRow('resumed', Math.round(6000 * effort)),
    bulkRow(Math.round(2e9 * effort)),
    smallMessageRow(Math.round(150_000 * effort)),
    idleRow({ id: 'tls-idle', kind: 'idle TLS', count: Math.min(idleConnections, mostConnections) }),
  ];
}

function identityOf({ backends, proxy }: Subject): Identity {
  if (backends.identity === undefined) throw new Error(`${proxy.name} was started without an identity`);
  return backends.identity;
}

/** @param kind `full` proves the certificate each time; `resumed` shows a ticket. Both exchange keys anew. */
function handshakeRow(kind: 'full' | 'resumed', connections: number): Row {
  return {
    id: `tls-handshakes-${kind}`,
    title: `TLS 1.3, ${kind} handshakes, one request each`,
    baseline: 'haproxy',
    warmsUp: true,
    metrics: [perCpuSecond('handshakes', `TLS, ${kind} handshakes`), perSecond('handshakes')],
    measure: subject =>
      withScope(async scope => {
        const { pid, redisPort } = subject.running;
        const load = await startClient<HandshakeOrder, HandshakeResult>(scope, {
          file: 'handshake-client.ts',
          args: [String(redisPort), identityOf(subject).authorityFile, kind],
          readyWhen: 'the first handshakes',
        });
        const { result, cpu } = await costOf(pid, () => load({ connections }));
        return { perCpuSecond: result.connections / cpu, perSecond: result.connections / result.seconds };
      }),
  };
}

function bulkRow(bytes: number): Row {
  return {
    id: 'tls-bulk',
    title: 'TLS 1.3, bulk, one stream',
    baseline: 'haproxy',
    warmsUp: true,
    metrics: [
      perCpuSecond('GB to the client', 'TLS, bulk to the client'),
      {
        key: 'upPerCpuSecond',
        title: 'GB from the client per CPU second of the proxy',
        better: 'more',
        drawn: 'TLS, bulk from the client',
      },
      { key: 'perSecond', title: 'Gbit per second to the client', better: 'more' },
      { key: 'upPerSecond', title: 'Gbit per second from the client', better: 'more' },
    ],
    measure: subject =>
      withScope(async scope => {
        const { pid, bulkPort } = subject.running;
        const load = await startClient<BulkOrder, BulkResult>(scope, {
          file: 'bulk-client.ts',
          args: [String(bulkPort), identityOf(subject).authorityFile],
          readyWhen: 'its start',
        });
        const gigabits = (result: BulkResult): number => (result.bytes * 8) / 1e9 / result.seconds;
        const down = await costOf(pid, () => load({ direction: 'down', bytes }));
        const up = await costOf(pid, () => load({ direction: 'up', bytes }));
        return {
          perCpuSecond: bytes / 1e9 / down.cpu,
          upPerCpuSecond: bytes / 1e9 / up.cpu,
          perSecond: gigabits(down.result),
          upPerSecond: gigabits(up.result),
        };
      }),
  };
}

function smallMessageRow(requests: number): Row {
  return {
    id: 'tls-get-50',
    title: 'TLS 1.3, redis GET, 50 connections',
    baseline: 'haproxy',
    warmsUp: true,
    metrics: [perCpuSecond('requests', 'TLS, redis GET, 50 connections'), perSecond('requests')],
    async measure(subject) {
      const load = { connections: 50, requests, identity: identityOf(subject) };
      const { pid, redisPort } = subject.running;
      const { result, cpu } = await costOf(pid, () => redisBenchmark(redisPort, load));
      return { perCpuSecond: requests / cpu, perSecond: result };
    },
  };
}
