/** Why a session ended, in the words of the access log and of the warnings about failed connections. */
import { constants } from 'node:os';
import { textOf } from '../../errors.ts';
import { showAddress } from '../../io/driver.ts';
import { showErrno } from '../../io/errno.ts';
import { noHandle } from '../../io/handle.ts';
import type { Session, WorkerContext } from '../context.ts';
import { type EndCode, ends } from '../end-codes.ts';
import type { Listener } from '../listener.ts';
import type { Endpoint } from '../route.ts';
import type { SessionTable } from './session-table.ts';

/** Failures that an operator should hear of without an access log. Not those where a client left or a limit did its work. */
const warned: ReadonlySet<EndCode> = new Set(['GP', 'GT', 'HP', 'HT', 'NN', 'NT', 'NR', 'CU', 'CT', 'RU']);

/** Warns of a session that has failed: one line for each destination and cause now and then. */
export function warnOf({ driver, limitedNotice }: WorkerContext, table: SessionTable, s: Session, code: EndCode): void {
  if (!warned.has(code)) return;
  const { router, id } = table.specOf(s);
  const route = table.route[s]?.spec;
  const subject = route?.dst ?? (table.listener[s] as Listener).address;
  limitedNotice(`failed ${code} ${route?.id ?? ''} ${id}`, 'warn', () => {
    const retries = table.retries[s];
    const details = [code, ...(retries > 0 ? [`${retries} ${retries === 1 ? 'retry' : 'retries'}`] : [])].join(', ');
    const client = table.peer[s] || (table.client[s] !== noHandle && driver.peer(table.clientOf(s))) || 'a client';
    return `router ${router}, ${subject}: connection from ${client} failed: ${reasonFor(table, s, code)} (${details})`;
  });
}

/** The reason, for the operator, of an end that is not clean: the one recorded for this session, else the meaning of its code. */
export function reasonFor(table: SessionTable, s: Session, code: EndCode): string {
  const { text } = ends[code];
  if (table.why[s] !== '') return table.why[s];
  const spec = table.route[s]?.spec;
  if (!spec) return text;
  const { dst, target } = spec;
  switch (code) {
    case 'NN':
      return target.state === 'negative' ? target.reason : text;
    case 'NT': {
      const reason = target.state === 'pending' ? target.reason : undefined;
      return reason === undefined ? text : textOf('NAME_FAILED', { path: dst, reason });
    }
    case 'CU':
    case 'CT': {
      const endpoint = table.endpoint[s];
      return endpoint ? failureOf(table, s, endpoint) : text;
    }
    default:
      return text;
  }
}

/** Of the last attempt. */
function failureOf(table: SessionTable, s: Session, address: Endpoint): string {
  const errno = table.errno[s];
  const endpoint = showAddress(address);
  const trouble = table.upstreamTrouble[s];
  if (trouble !== '') return textOf('UPSTREAM_TLS_FAILED', { endpoint, reason: trouble });
  if (errno === constants.errno.ECONNREFUSED) return textOf('UPSTREAM_REFUSED', { endpoint });
  if (errno !== constants.errno.ETIMEDOUT) return textOf('UPSTREAM_FAILED', { endpoint, reason: showErrno(errno) });
  const { connectTimeoutMs } = table.routeOf(s).spec.client;
  const timeout = Math.round(Math.min(connectTimeoutMs, table.waitUntil[s] - table.attemptAt[s]));
  return textOf('UPSTREAM_TIMEOUT', { endpoint, timeout });
}
