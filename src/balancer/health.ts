/**
 * Whether an endpoint may be picked, learnt from connections alone (passive health).
 *
 *   state     | success     | failure                             | penalty over | claimProbe | releaseProbe | lease over
 *   ----------+-------------+-------------------------------------+--------------+------------+--------------+-----------
 *   available | stays       | maxConsecutiveFailures-th: → failed | -            | no         | -            | -
 *   failed    | → available | stays, the penalty is not extended  | → due        | no         | -            | -
 *   due       | → available | stays                               | -            | → probing  | -            | -
 *   probing   | → available | → failed, penalty doubled           | -            | no         | → due        | → due
 *
 * A connect that succeeds is a success, and one that fails a failure. So is a connection that the endpoint closes early, before it has
 * sent a byte: a dead application behind a live kernel. After that, connects prove nothing, and the first byte is the success.
 *
 * State and deadline share one word, so every move is one compareExchange: two threads cannot both win it, and a
 * state and its deadline always come from the same move. Deadlines count ticks of 8 ms modulo 2^30, so a deadline that
 * no thread has read for 49 days appears to lie ahead again. `now` is the same clock on all threads, never negative. Any
 * outcome that arrives during a probe decides it, whether it is the probe's own or that of an earlier connection.
 */
import {
  cellShift,
  changedAtNumber,
  type EndpointSlot,
  type EndpointTable,
  ejectionsCell,
  failuresCell,
  numberShift,
  standingCell,
  unprovenCell,
} from './endpoint-table.ts';
import { observeLatency } from './latency.ts';

export interface FailFastPolicy {
  /** Failures in a row that eject an endpoint; Infinity never ejects. */
  readonly maxConsecutiveFailures: number;
  /** Penalty of the first ejection; doubles with each further one until a success. */
  readonly penaltyMs: number;
  readonly maxPenaltyMs: number;
  /** Share of the penalty that is random, 0..1: the penalty lies in [(1 - jitter) · full, full]. */
  readonly jitter: number;
}

/** `due` means that the penalty is over and one connection may try the endpoint. */
export type Standing = 'available' | 'failed' | 'due' | 'probing';

/**
 * How long a probe may stay unreported before another one may go: longer than any sensible connect timeout, so that
 * only a probe whose session vanished is overtaken.
 */
export const probeLeaseMs = 60_000;

/** The word is 0 for available, else `tick << 2 | state`. */
const failedState = 1;
const probingState = 2;
const tickMs = 8;
const tickMask = 0x3fff_ffff;
/** Half the circle of ticks, 49 days: a deadline further ahead would read as past. */
const halfCircle = 0x2000_0000;
const maxAheadMs = (halfCircle - 2) * tickMs;

export function standing(table: EndpointTable, slot: EndpointSlot, now: number): Standing {
  const word = wordOf(table, slot);
  if (word === 0) return 'available';
  if (isOver(word, now)) return 'due';
  return (word & 3) === failedState ? 'failed' : 'probing';
}

/** {@link standing} is `available`; what pickers ask first. */
export function isAvailable(table: EndpointTable, slot: EndpointSlot): boolean {
  return wordOf(table, slot) === 0;
}

/**
 * Claims the only probe of a due endpoint. A caller that gets `true` connects to the endpoint, then reports with
 * recordConnect, recordFailure or releaseProbe; without a report the probe is free again after {@link probeLeaseMs}.
 */
export function claimProbe(table: EndpointTable, slot: EndpointSlot, now: number): boolean {
  const word = wordOf(table, slot);
  return word !== 0 && isOver(word, now) && move(table, slot, word, wordFor(probingState, now, probeLeaseMs));
}

/** Gives a claimed probe back without a verdict, for instance because its client went away: the next pick may probe. */
export function releaseProbe(table: EndpointTable, slot: EndpointSlot): void {
  const word = wordOf(table, slot);
  if ((word & 3) !== probingState) return;
  // The lease ends on its own tick, which is at most a lease ahead of now: that far back is over for sure.
  const over = ((word >>> 2) - Math.ceil(probeLeaseMs / tickMs) - 1) & tickMask;
  move(table, slot, word, (over << 2) | failedState);
}

/**
 * A connection was made: a success, unless the last ones were closed early.
 * @returns whether this ended an ejection of the endpoint; of racing successes, only one returns true
 */
export function recordConnect(table: EndpointTable, slot: EndpointSlot, now: number, latencyMs: number): boolean {
  observeLatency(table, slot, now, latencyMs);
  return !isUnproven(table, slot) && recordSuccess(table, slot, now);
}

/**
 * The endpoint has sent its first byte on a connection.
 * @returns as {@link recordConnect}
 */
export function recordAnswer(table: EndpointTable, slot: EndpointSlot, now: number): boolean {
  if (!isUnproven(table, slot)) return false;
  Atomics.store(table.cells, (slot << cellShift) + unprovenCell, 0);
  return recordSuccess(table, slot, now);
}

/** A success heals whatever the standing was: it is the newest that is known. */
function recordSuccess(table: EndpointTable, slot: EndpointSlot, now: number): boolean {
  const row = slot << cellShift;
  Atomics.store(table.cells, row + failuresCell, 0);
  Atomics.store(table.cells, row + ejectionsCell, 0);
  if (Atomics.exchange(table.cells, row + standingCell, 0) === 0) return false;
  table.numbers[(slot << numberShift) + changedAtNumber] = now;
  return true;
}

/** The last verdict is an early close: see {@link recordEarlyClose}. */
export function isUnproven(table: EndpointTable, slot: EndpointSlot): boolean {
  return Atomics.load(table.cells, (slot << cellShift) + unprovenCell) !== 0;
}

/**
 * The endpoint has closed a connection early, without a byte.
 * @returns as {@link recordFailure}
 */
export function recordEarlyClose(
  table: EndpointTable,
  slot: EndpointSlot,
  now: number,
  policy: FailFastPolicy,
  random: () => number,
): boolean {
  Atomics.store(table.cells, (slot << cellShift) + unprovenCell, 1);
  return recordFailure(table, slot, now, policy, random);
}

/**
 * A connection could not be made.
 * @returns whether this failure ejected the endpoint, for the first time or again after a failed probe.
 */
export function recordFailure(
  table: EndpointTable,
  slot: EndpointSlot,
  now: number,
  policy: FailFastPolicy,
  random: () => number,
): boolean {
  const row = slot << cellShift;
  const failures = Atomics.add(table.cells, row + failuresCell, 1) + 1;
  const word = Atomics.load(table.cells, row + standingCell);
  const ejects = word === 0 ? failures >= policy.maxConsecutiveFailures : (word & 3) === probingState;
  if (!ejects) return false;
  const doublings = Atomics.load(table.cells, row + ejectionsCell);
  const full = Math.min(policy.maxPenaltyMs, policy.penaltyMs * 2 ** doublings);
  const penalty = full * (1 - policy.jitter * random());
  if (!move(table, slot, word, wordFor(failedState, now, penalty))) return false;
  Atomics.add(table.cells, row + ejectionsCell, 1);
  // A failed probe continues the ejection.
  if (word === 0) table.numbers[(slot << numberShift) + changedAtNumber] = now;
  return true;
}

function wordOf(table: EndpointTable, slot: EndpointSlot): number {
  return Atomics.load(table.cells, (slot << cellShift) + standingCell);
}

/** The deadline is rounded up: a penalty may be a tick longer, never shorter. */
function wordFor(state: number, now: number, aheadMs: number): number {
  const tick = Math.ceil((now + Math.min(aheadMs, maxAheadMs)) / tickMs) % (tickMask + 1);
  return (tick << 2) | state;
}

function isOver(word: number, now: number): boolean {
  const tick = Math.floor(now / tickMs) % (tickMask + 1);
  return ((tick - (word >>> 2)) & tickMask) < halfCircle;
}

function move(table: EndpointTable, slot: EndpointSlot, from: number, to: number): boolean {
  return Atomics.compareExchange(table.cells, (slot << cellShift) + standingCell, from, to) === from;
}

/** Milliseconds until an ejected endpoint may be probed; 0 when it is not waiting for that. */
export function penaltyEndsIn(table: EndpointTable, slot: EndpointSlot, now: number): number {
  const word = wordOf(table, slot);
  if ((word & 3) !== failedState || isOver(word, now)) return 0;
  return (((word >>> 2) - Math.floor(now / tickMs)) & tickMask) * tickMs;
}
