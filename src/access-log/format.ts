/**
 * A finished connection as one line, in the spirit of HAProxy's tcplog or as JSON.
 *
 *   2026-11-22T12:00:00.000Z 10.0.0.7:50312 edge/127.0.0.1:7474 /svc/web /#/io.l5d.fs/web/10.0.1.3:8080 0/2/184 512/20480 0 --
 *   accepted                 client         router/server       dst      branch/endpoint bind/connect/total ms  rx/tx retries end
 *
 * An unknown value is `-`, a phase that was not reached is -1, and an end that is not clean is followed by its reason in quotes.
 */
import type { ConnectionRecord, TlsRecord } from '../proxy/record.ts';

export type AccessLogFormat = 'text' | 'json';

/** @returns the line, with its newline. */
export type FormatRecord = (record: ConnectionRecord) => string;

export const textRecord: FormatRecord = record => {
  const upstream = record.endpoint === null ? '-' : `${field(record.branch ?? '')}/${record.endpoint}`;
  const phases = `${Math.round(record.bindMs)}/${Math.round(record.connectMs)}/${Math.round(record.totalMs)}`;
  const reason = record.reason === null ? '' : ` ${quoted(record.reason)}`;
  return (
    `${isoTime(record.at)} ${field(record.client)} ${field(record.router)}/${field(record.server)} ${field(record.dst)} ${upstream} ` +
    `${phases} ${record.rx}/${record.tx} ${record.retries} ${record.end}${tlsFields(record)}${reason}\n`
  );
};

export const jsonRecord: FormatRecord = record =>
  `${JSON.stringify({
    time: isoTime(record.at),
    client: record.client || null,
    router: record.router,
    server: record.server,
    dst: record.dst,
    branch: record.branch,
    endpoint: record.endpoint,
    bindMs: milliseconds(record.bindMs),
    connectMs: milliseconds(record.connectMs),
    totalMs: milliseconds(record.totalMs),
    rxBytes: record.rx,
    txBytes: record.tx,
    retries: record.retries,
    serverName: record.serverName,
    tls: record.tls,
    upstreamTls: record.upstreamTls,
    end: record.end,
    reason: record.reason,
  })}\n`;

export const recordFormats: Readonly<Record<AccessLogFormat, FormatRecord>> = { text: textRecord, json: jsonRecord };

/** Only where TLS was read or ended: ` sni=web.example tls=TLSv1.3/TLS_AES_128_GCM_SHA256/h2 subject=CN=web upstream_tls=…`. */
function tlsFields({ serverName, tls, upstreamTls }: ConnectionRecord): string {
  const named = serverName === null ? '' : ` sni=${field(serverName)}`;
  const secured = tls ? ` tls=${agreed(tls)}` : '';
  const subject = tls?.peer ? ` subject=${field(tls.peer.subject)}` : '';
  const upstream = upstreamTls ? ` upstream_tls=${agreed(upstreamTls)}` : '';
  return `${named}${secured}${subject}${upstream}`;
}

const agreed = ({ version, cipher, protocol }: TlsRecord): string =>
  [version, cipher, ...(protocol === '' ? [] : [field(protocol)])].join('/');

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Microseconds are as fine as the clock is. */
const milliseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

/** JSON escapes the backslash and the first control characters by itself. */
const quoted = (text: string): string => JSON.stringify(text).replace(unsafe, escaped);

/** A field of the text form: never empty, never with a space. */
const field = (text: string): string => (text === '' ? '-' : printable(text).replaceAll(' ', '\\x20'));

/**
 * Names come from clients (SNI) and from other systems: they must not break the line, steer a terminal or reorder what it shows. The
 * backslash is escaped too, so that an escape can be told from a name that looks like one.
 */
const unsafe = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const printable = (text: string): string => text.replaceAll('\\', '\\\\').replace(unsafe, escaped);

function escaped(unit: string): string {
  const code = unit.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
}
