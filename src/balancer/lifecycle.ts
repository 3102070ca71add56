/**
 * Which endpoints of a destination come, stay and go when its set changes. Main thread only, pure bookkeeping.
 *
 *   endpoint is    | in the new set            | not in the new set
 *   ---------------+---------------------------+------------------------------------------------------------
 *   unknown        | added, gets a slot        | -
 *   active         | kept, weight may change   | retired: takes no new connection, its row lives on
 *   retired        | revived, health kept      | stays retired until dropIdle finds it idle
 *
 * Nothing is dropped in the moment it is retired, even if idle: a worker that has not yet seen the new generation may
 * just now be picking it. Established connections are never cut.
 */
import type { EndpointSlot } from './endpoint-table.ts';
import type { SlotAllocator } from './slots.ts';

export interface Member {
  /** `ip:port` */
  readonly key: string;
  readonly slot: EndpointSlot;
  readonly weight: number;
  /** The generation that retired it; undefined while it is active. */
  readonly retiredIn: number | undefined;
}

export type Members = ReadonlyMap<string, Member>;

export interface MembersUpdate {
  readonly members: Members;
  /** New slots: reset their rows before the generation is published. */
  readonly added: readonly Member[];
}

/**
 * @param wanted the new set: key → weight
 * @param generation the number under which the new set will be published
 * @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing has changed
 */
export function updateMembers(
  previous: Members,
  wanted: ReadonlyMap<string, number>,
  generation: number,
  slots: SlotAllocator,
): MembersUpdate {
  const members = new Map<string, Member>();
  const added: Member[] = [];
  try {
    for (const [key, weight] of wanted) {
      const known = previous.get(key);
      const member = { key, slot: known?.slot ?? slots.allocate(), weight, retiredIn: undefined };
      members.set(key, member);
      if (known === undefined) added.push(member);
    }
  } catch (error) {
    for (const { slot } of added) slots.free(slot);
    throw error;
  }
  for (const [key, known] of previous) {
    if (wanted.has(key)) continue;
    members.set(key, known.retiredIn === undefined ? { ...known, retiredIn: generation } : known);
  }
  return { members, added };
}

/**
 * Drops retired endpoints that have no connection left.
 *
 * @param acknowledged the newest generation that every worker has taken over: what was retired later may still be picked
 * @returns the members left, and the dropped ones, whose slots the caller frees
 */
export function dropIdle(
  previous: Members,
  acknowledged: number,
  load: (slot: EndpointSlot) => number,
): { readonly members: Members; readonly dropped: readonly Member[] } {
  const members = new Map<string, Member>();
  const dropped: Member[] = [];
  for (const [key, member] of previous) {
    const isIdle = member.retiredIn !== undefined && member.retiredIn <= acknowledged && load(member.slot) <= 0;
    if (isIdle) dropped.push(member);
    else members.set(key, member);
  }
  return { members, dropped };
}
