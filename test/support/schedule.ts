/**
 * Random schedules for the two ends of a connection, and what TCP promises about them. Pure.
 *
 * A schedule is drawn as one sequence of moves of both sides, so a wait asks only for bytes sent earlier in it: played side by
 * side the two scripts cannot wait for each other in a circle. Sends never wait, a side that stalls reads again before it
 * waits, and both scripts end by letting go of the connection.
 *
 * Neither side breaks the connection (reset, or close while the other may still send) before it has received a byte: until then a
 * proxy need not have connected at all.
 */
import fc from 'fast-check';
import type { Inbound } from './peer.ts';

export type Move =
  | { readonly do: 'send'; readonly bytes: number }
  /** Wait until this many bytes have come in all, or the direction is over. */
  | { readonly do: 'hear'; readonly total: number }
  | { readonly do: 'pause'; readonly ms: number }
  | { readonly do: 'stall' | 'resume' | 'shutdown' | 'hear-end' | 'close' | 'reset' };

export type SideName = 'client' | 'server';

export interface Promised {
  readonly sent: number;
  /** Bytes the receiver has certainly taken. */
  readonly atLeast: number;
  /** Ways in which the direction may end. A clean end always means that every byte has come. */
  readonly ends: readonly Inbound[];
}

export interface Schedule {
  readonly seed: number;
  readonly client: readonly Move[];
  readonly server: readonly Move[];
  /** The observations that each side may make. */
  readonly sees: { readonly client: Promised; readonly server: Promised };
}

type Ending = 'orderly' | 'close-last' | 'close' | 'reset';

interface Draft {
  readonly by: SideName;
  readonly what: 'send' | 'hear' | 'pause' | 'stall' | 'resume' | 'shutdown';
  readonly size: number;
  /** Thousandths of what the other side has sent so far. */
  readonly share: number;
}

const side = fc.constantFrom<SideName>('client', 'server');

const draft: fc.Arbitrary<Draft> = fc.record({
  by: side,
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant('send' as const) },
    { weight: 4, arbitrary: fc.constant('hear' as const) },
    { weight: 2, arbitrary: fc.constantFrom('pause' as const, 'stall' as const, 'resume' as const) },
    { weight: 1, arbitrary: fc.constant('shutdown' as const) },
  ),
  size: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 2000 }) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 64 * 1024 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 512 * 1024 }) },
  ),
  share: fc.integer({ min: 0, max: 1000 }),
});

export const schedules: fc.Arbitrary<Schedule> = fc
  .record({
    seed: fc.integer({ min: 3, max: 0x3fff_ffff }),
    drafts: fc.array(draft, { maxLength: 16 }),
    ending: fc.constantFrom<Ending>('orderly', 'orderly', 'orderly', 'close-last', 'close', 'reset'),
    endedBy: side,
  })
  .map(({ seed, drafts, ending, endedBy }) => compose(seed, drafts, ending, endedBy));

interface Side {
  readonly moves: Move[];
  sent: number;
  heard: number;
  isShut: boolean;
  isStalled: boolean;
  hasHeardEnd: boolean;
}

function compose(seed: number, drafts: readonly Draft[], ending: Ending, endedBy: SideName): Schedule {
  const newSide = (): Side => ({ moves: [], sent: 0, heard: 0, isShut: false, isStalled: false, hasHeardEnd: false });
  const sides = { client: newSide(), server: newSide() };
  for (const each of drafts) play(sides[each.by], sides[otherOf(each.by)], each);

  const closer = sides[endedBy];
  const other = sides[otherOf(endedBy)];
  const isTorn = ending === 'close' || ending === 'reset';
  if (isTorn) {
    hearSomething(closer, other);
    closer.moves.push({ do: ending });
    hearEnd(other);
    other.moves.push({ do: 'close' });
  } else {
    shutdown(other);
    if (ending === 'orderly') shutdown(closer);
    hearEnd(closer);
    closer.moves.push({ do: 'close' });
    hearEnd(other);
    other.moves.push({ do: 'close' });
  }
  const byCloser: Promised = { sent: closer.sent, atLeast: isTorn ? 0 : closer.sent, ends: endsOf(ending, closer) };
  const toCloser: Promised = isTorn
    ? {
        sent: other.sent,
        atLeast: closer.hasHeardEnd ? other.sent : closer.heard,
        ends: closer.hasHeardEnd ? ['end'] : ['end', 'dropped'],
      }
    : { sent: other.sent, atLeast: other.sent, ends: ['end'] };
  const sees = endedBy === 'client' ? { client: toCloser, server: byCloser } : { client: byCloser, server: toCloser };
  return { seed, client: sides.client.moves, server: sides.server.moves, sees };
}

function otherOf(name: SideName): SideName {
  return name === 'client' ? 'server' : 'client';
}

/** How the side that was left behind may see the end of what `closer` sent. */
function endsOf(ending: Ending, closer: Side): readonly Inbound[] {
  if (ending === 'reset') return closer.isShut ? ['end', 'reset'] : ['reset'];
  // A close is a FIN, but it turns into a reset when bytes arrive after it or were left unread.
  if (ending === 'close') return ['end', 'reset'];
  return ['end'];
}

function play(self: Side, other: Side, { what, size, share }: Draft): void {
  switch (what) {
    case 'send':
      if (!self.isShut) send(self, size);
      break;
    case 'hear':
      hear(self, Math.floor((other.sent * share) / 1000));
      break;
    case 'pause':
      self.moves.push({ do: 'pause', ms: size % 4 });
      break;
    case 'stall':
      if (!self.isStalled) self.moves.push({ do: 'stall' });
      self.isStalled = true;
      break;
    case 'resume':
      resume(self);
      break;
    case 'shutdown':
      shutdown(self);
      break;
  }
}

function send(self: Side, bytes: number): void {
  self.moves.push({ do: 'send', bytes });
  self.sent += bytes;
}

function hear(self: Side, total: number): void {
  if (total <= self.heard) return;
  resume(self);
  self.moves.push({ do: 'hear', total });
  self.heard = total;
}

function hearEnd(self: Side): void {
  resume(self);
  self.moves.push({ do: 'hear-end' });
  self.hasHeardEnd = true;
}

function hearSomething(self: Side, other: Side): void {
  if (self.heard > 0) return;
  if (other.sent === 0 && !other.isShut) send(other, 1);
  if (other.sent > 0) hear(self, 1);
  else hearEnd(self);
}

function shutdown(self: Side): void {
  if (!self.isShut) self.moves.push({ do: 'shutdown' });
  self.isShut = true;
}

function resume(self: Side): void {
  if (self.isStalled) self.moves.push({ do: 'resume' });
  self.isStalled = false;
}
