/** Accounts for an ended session: its metrics and, while an access log needs it, its record. */
import { showAddress } from '../../io/driver.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { Session, WorkerContext } from '../context.ts';
import { type EndCode, endIndex, ends, legacyCauses } from '../end-codes.ts';
import type { Listener } from '../listener.ts';
import { peerIdentity } from '../peer-identity.ts';
import type { TlsRecord } from '../record.ts';
import { reasonFor, warnOf } from './end-reason.ts';
import { Flag, type SessionTable } from './session-table.ts';

export function account(context: WorkerContext, table: SessionTable, s: Session, code: EndCode, now: number): void {
  const { cells } = context;
  const listener = table.listener[s] as Listener;
  const spec = table.specOf(s);
  const own = spec.cells;
  const streamed = table.connectedAt[s] > 0;
  const cause = failureCause(table, s, code);
  cells.add(own.active, -1);
  cells.add(own.end + endIndex[code], 1);
  cells.add(cause === null ? own.closes : own.failures, 1);
  if (cause !== null) cells.add((streamed ? own.streamFailure : own.connectFailure) + legacyCauses.indexOf(cause), 1);
  if (streamed) cells.observe(own.durationMs, now - table.connectedAt[s]);
  else if (cause !== 'timeout') cells.observe(own.connectLatencyUs, (now - table.acceptedAt[s]) * 1000);
  cells.observe(own.connectionRxBytes, table.rx[s]);
  cells.observe(own.connectionTxBytes, table.tx[s]);
  if (cause !== null) warnOf(context, table, s, code);
  if (!context.recorder) return;
  const endpoint = table.endpoint[s];
  const since = (from: number, to: number): number => Math.max(0, Math.round((to - from) * 1000) / 1000);
  context.recorder.record({
    at: Date.now() - Math.round(now - table.acceptedAt[s]),
    router: spec.router,
    server: listener.address,
    dst: table.route[s]?.spec.dst ?? '',
    client: table.peer[s],
    endpoint: endpoint ? showAddress(endpoint) : null,
    branch: table.branch[s]?.id ?? null,
    bindMs: table.routedAt[s] > 0 ? since(table.acceptedAt[s], table.routedAt[s]) : -1,
    connectMs: streamed ? since(table.routedAt[s], table.connectedAt[s]) : -1,
    totalMs: since(table.acceptedAt[s], now),
    rx: table.rx[s],
    tx: table.tx[s],
    retries: table.retries[s],
    serverName: table.serverName[s] || null,
    tls: tlsRecord(table.clientTls[s]),
    upstreamTls: tlsRecord(table.upstreamTls[s]),
    end: code,
    reason: code === '--' ? null : reasonFor(table, s, code),
  });
}

/**
 * Many clients and servers, PostgreSQL's among them, end with a RST when both are done. A reset is a failure only if it took something
 * from the other side: bytes that the client was owed, or an upstream that the client still had open.
 * @returns null where the session has not failed
 */
function failureCause(table: SessionTable, s: Session, code: EndCode): (typeof legacyCauses)[number] | null {
  const flags = table.flags[s];
  if (code === 'RC' && (flags & Flag.clientOwed) === 0) return null;
  if (code === 'RU' && flags & Flag.clientDone) return null;
  return ends[code].legacy;
}

function tlsRecord(details: TlsDetails | null): TlsRecord | null {
  if (!details) return null;
  const { peerCertificate, ...agreed } = details;
  const peer = peerCertificate && peerIdentity(peerCertificate);
  return { ...agreed, peer: peer && { subject: peer.subject, names: peer.names } };
}
