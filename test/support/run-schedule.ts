/**
 * Plays a schedule over a real connection and holds what was seen against what TCP promises.
 *
 * The same schedule goes over a direct and over a proxied connection. Where both directions end in good order the two must
 * look the same to the last byte; after a reset either may have lost bytes from the tail, never from the middle.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connectPeer, type Inbound, type ListeningPeer, type Peer } from './peer.ts';
import type { Move, Promised, Schedule, SideName } from './schedule.ts';
import { withScope } from './scope.ts';

export interface Seen {
  readonly bytes: number;
  readonly digest: string;
  readonly end: Inbound;
}

export type Outcome = Readonly<Record<SideName, Seen>>;

/** Plays both sides at once; `port` leads to `upstream`, directly or not. Every byte is checked at its offset on the way. */
export async function runSchedule(schedule: Schedule, upstream: ListeningPeer, port: number): Promise<Outcome> {
  const toServer = schedule.seed;
  const toClient = schedule.seed ^ 0x4000_0000;
  return withScope(async scope => {
    const accepted = upstream.next({ sends: toClient, expects: toServer });
    const connected = connectPeer(scope, port, { sends: toServer, expects: toClient });
    const play = async (connecting: Promise<Peer>, moves: readonly Move[]): Promise<Seen> => {
      const peer = await connecting;
      scope.after(() => peer.socket.destroy());
      for (const move of moves) if (!(await playMove(peer, move))) break;
      await peer.close();
      return { bytes: peer.received, digest: peer.digest, end: peer.inbound === 'open' ? 'dropped' : peer.inbound };
    };
    const [client, server] = await Promise.allSettled([
      play(connected, schedule.client),
      play(accepted, schedule.server),
    ]);
    if (client.status === 'rejected') throw client.reason;
    if (server.status === 'rejected') throw server.reason;
    return { client: client.value, server: server.value };
  });
}

/** @returns false when the connection is over and the rest of the script has no sense. */
async function playMove(peer: Peer, move: Move): Promise<boolean> {
  switch (move.do) {
    case 'send':
      peer.queue(move.bytes);
      return true;
    case 'hear':
      return peer.heard(move.total);
    case 'hear-end':
      return (await peer.over()) === 'end';
    case 'pause':
      await delay(move.ms);
      return true;
    case 'close':
      await peer.close();
      return false;
    case 'reset':
      await peer.abort();
      return false;
    default:
      peer[move.do]();
      return true;
  }
}

export function compareDirectAndProxied(schedule: Schedule, direct: Outcome, proxied: Outcome): void {
  for (const side of ['client', 'server'] as const) {
    const promised = schedule.sees[side];
    assertPromised(promised, direct[side], `direct ${side}`);
    assertPromised(promised, proxied[side], `proxied ${side}`);
    if (promised.ends.length === 1 && promised.ends[0] === 'end') assert.deepEqual(proxied[side], direct[side], side);
  }
}

function assertPromised({ sent, atLeast, ends }: Promised, seen: Seen, who: string): void {
  assert.ok(ends.includes(seen.end), `${who} saw ${seen.end} after ${seen.bytes} of ${sent} bytes, expected ${ends}`);
  assert.ok(seen.bytes >= atLeast, `${who} got ${seen.bytes} bytes, at least ${atLeast} were certain`);
  if (seen.end === 'end') assert.equal(seen.bytes, sent, `${who} saw a clean end before every byte had come`);
  else assert.ok(seen.bytes <= sent, `${who} got ${seen.bytes} bytes of ${sent}`);
}
