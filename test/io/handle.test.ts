/** Handles against a set of those that live. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Handle, HandleTable, maxSlots, noHandle, slotOf } from '../../src/io/handle.ts';

test('a living handle is unique, known as current, and a released one is not, after any reuse of its slot', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { maxLength: 400 }), steps => {
      const table = new HandleTable();
      const living: Handle[] = [];
      const released = new Set<Handle>();
      for (const release of steps) {
        if (release !== null && living.length > 0) {
          const [handle] = living.splice(release % living.length, 1);
          table.release(handle);
          released.add(handle);
        } else {
          const handle = table.take();
          assert.ok(handle >= 0 && Number.isInteger(handle));
          assert.ok(!released.has(handle), 'the generation tells it from earlier owners of the slot');
          living.push(handle);
        }
        assert.equal(table.live, living.length);
        assert.equal(new Set(living.map(slotOf)).size, living.length);
        assert.ok(living.every(handle => table.isCurrent(handle)));
        for (const handle of released) assert.ok(!table.isCurrent(handle));
      }
      assert.ok(
        living.every(handle => slotOf(handle) < steps.length),
        'slots are dense',
      );
    }),
  );
});

test('a slot can be reused without limit: handles stay positive integers that fit into 32 bits', () => {
  const table = new HandleTable();
  for (let i = 0; i < 5000; i++) {
    const handle = table.take();
    assert.ok(handle >= 0 && handle <= 0x7fff_ffff && slotOf(handle) === 0);
    assert.ok(table.isCurrent(handle));
    table.release(handle);
  }
});

test('beyond 2^20 sockets there is no handle, until one is released', () => {
  const table = new HandleTable();
  let last = noHandle;
  for (let i = 0; i < maxSlots; i++) last = table.take();
  assert.notEqual(last, noHandle);
  assert.equal(table.take(), noHandle);
  assert.ok(!table.isCurrent(noHandle));
  table.release(last);
  assert.equal(slotOf(table.take()), slotOf(last));
});
