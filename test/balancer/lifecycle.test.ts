/** Endpoints that come and go, and the slots they hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dropIdle, type Members, updateMembers } from '../../src/balancer/lifecycle.ts';
import { SlotAllocator } from '../../src/balancer/slots.ts';
import { LinkerdTcpError } from '../../src/errors.ts';

const set = (...keys: string[]) => new Map(keys.map(key => [key, 1]));
const keysOf = (members: readonly { readonly key: string }[]) => members.map(member => member.key);
const nobody: Members = new Map();

test('new endpoints are added with slots of their own, known ones keep theirs', () => {
  const slots = new SlotAllocator(10);
  const first = updateMembers(nobody, set('a', 'b'), 1, slots);
  assert.deepEqual(keysOf(first.added), ['a', 'b']);
  const second = updateMembers(first.members, set('b', 'c'), 2, slots);
  assert.deepEqual(keysOf(second.added), ['c']);
  assert.deepEqual([...second.members.values()].map(member => [member.key, member.retiredIn]).sort(), [
    ['a', 2],
    ['b', undefined],
    ['c', undefined],
  ]);
  assert.equal(second.members.get('b')?.slot, first.members.get('b')?.slot);
  assert.equal(slots.inUse, 3);
});

test('a changed weight is taken over and nothing else changes', () => {
  const slots = new SlotAllocator(10);
  const { members } = updateMembers(nobody, set('a', 'b'), 1, slots);
  const update = updateMembers(
    members,
    new Map([
      ['a', 4],
      ['b', 1],
    ]),
    2,
    slots,
  );
  assert.deepEqual(update.added, []);
  assert.deepEqual(update.members.get('a'), { ...members.get('a'), weight: 4 });
  assert.deepEqual(update.members.get('b'), members.get('b'));
});

test('a retired endpoint that returns is the same one', () => {
  const slots = new SlotAllocator(10);
  const first = updateMembers(nobody, set('a', 'b'), 1, slots);
  const second = updateMembers(first.members, set('b'), 2, slots);
  const third = updateMembers(second.members, set('a', 'b'), 3, slots);
  assert.deepEqual(third.added, []);
  assert.deepEqual(third.members.get('a'), first.members.get('a'));
});

test('a retired endpoint is dropped when all workers know that it is retired and its last connection has ended', () => {
  const slots = new SlotAllocator(10);
  const first = updateMembers(nobody, set('a', 'b'), 1, slots);
  const { members } = updateMembers(first.members, set('b'), 2, slots);
  const loaded = members.get('a')?.slot;
  let load = 1;
  const loadOf = (slot: number) => (slot === loaded ? load : 0);
  assert.deepEqual(dropIdle(members, 2, loadOf).dropped, []);
  load = 0;
  assert.deepEqual(dropIdle(members, 1, loadOf).dropped, []);
  const { members: left, dropped } = dropIdle(members, 2, loadOf);
  assert.deepEqual([keysOf(dropped), [...left.keys()]], [['a'], ['b']]);
});

test('an update that finds no free slot takes none and reports the limit', () => {
  const slots = new SlotAllocator(2);
  const { members } = updateMembers(nobody, set('a'), 1, slots);
  assert.throws(
    () => updateMembers(members, set('a', 'b', 'c'), 2, slots),
    (error: unknown) =>
      error instanceof LinkerdTcpError && error.code === 'SHARED_MEMORY_FULL' && /2/.test(error.message),
  );
  assert.equal(slots.inUse, 1);
});

test('slots are freed only when told, once, and reused as late as possible', () => {
  const slots = new SlotAllocator(3);
  assert.deepEqual([slots.allocate(), slots.allocate()], [0, 1]);
  slots.free(0);
  assert.deepEqual([slots.allocate(), slots.allocate()], [2, 0]);
  assert.throws(() => slots.allocate(), { code: 'SHARED_MEMORY_FULL' });
  slots.free(1);
  assert.throws(() => slots.free(1), RangeError);
});

test('over any history members hold distinct slots, and exactly those are in use', () => {
  const sets = fc.array(
    fc.tuple(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')), fc.nat(3), fc.array(fc.nat(5))),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(sets, history => {
      const slots = new SlotAllocator(6);
      let members = nobody;
      history.forEach(([wanted, lag, busy], generation) => {
        const update = updateMembers(members, set(...wanted), generation, slots);
        const active = [...update.members.values()].filter(member => member.retiredIn === undefined);
        assert.deepEqual(keysOf(active).sort(), [...wanted].sort());
        const unknown = wanted.filter(key => !members.has(key));
        assert.deepEqual(keysOf(update.added).sort(), unknown.sort());
        const swept = dropIdle(update.members, generation - lag, slot => (busy.includes(slot) ? 1 : 0));
        for (const { slot } of swept.dropped) slots.free(slot);
        members = swept.members;
        assert.equal(new Set([...members.values()].map(member => member.slot)).size, members.size);
        assert.equal(slots.inUse, members.size);
        assert.ok(wanted.every(key => members.get(key)?.retiredIn === undefined));
      });
    }),
    { seed: 10 },
  );
});
