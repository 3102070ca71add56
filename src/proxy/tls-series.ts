/** The series of TLS handshakes, registered and counted: with clients (`l5d:srv:tls:`) and with endpoints (`l5d:client:tls:`). */
import type { TlsDetails } from '../io/tls/engine.ts';
import { type TroubleKind, troubleKinds } from '../io/tls/trouble.ts';
import type { Cells } from '../metrics/cells.ts';
import type { Scope } from '../metrics/registry.ts';
import type { TlsCells } from './messages.ts';

const other = 'other';
/** In the order of the cells. A value that is not listed counts as the last one. */
const resumed = ['no', 'yes'] as const;
const versions = ['TLSv1.2', 'TLSv1.3', other] as const;
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  other,
] as const;
const groups = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521', other] as const;

/**
 * @param side clients' series have the labels `rt` and `srv_addr`, those of endpoints `rt` and `dst`
 * @throws LinkerdTcpError SHARED_MEMORY_FULL
 */
export function tlsCells(scope: Scope, side: 'srv' | 'client'): TlsCells {
  const family = `l5d:${side}:tls:` as const;
  return {
    handshakeUs: scope.histogram(`${family}handshake_us`),
    resumed: scope.counters(`${family}handshakes`, 'resumed', resumed),
    version: scope.counters(`${family}version`, 'version', versions),
    cipher: scope.counters(`${family}cipher`, 'cipher', ciphers),
    group: scope.counters(`${family}group`, 'group', groups),
    failure: scope.counters(`${family}failure`, 'reason', troubleKinds),
  };
}

export function countSecured(cells: Cells, own: TlsCells, details: TlsDetails, tookMs: number): void {
  cells.observe(own.handshakeUs, tookMs * 1000);
  cells.add(own.resumed + (details.resumed ? 1 : 0), 1);
  cells.add(own.version + placeOf(versions, details.version), 1);
  cells.add(own.cipher + placeOf(ciphers, details.cipher), 1);
  cells.add(own.group + placeOf(groups, details.group), 1);
}

/** A handshake that failed, or a connection that TLS broke later on. */
export function countTrouble(cells: Cells, own: TlsCells, kind: TroubleKind): void {
  cells.add(own.failure + troubleKinds.indexOf(kind), 1);
}

function placeOf(listed: readonly string[], value: string): number {
  const place = listed.indexOf(value);
  return place >= 0 ? place : listed.length - 1;
}
