/** Session ticket keys: who encrypts, who still decrypts, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TicketKeys } from '../../src/tls/ticket-keys.ts';

function keysAt(rotateMs: number, lifetimeMs: number) {
  const clock = { now: 0, made: 0 };
  const random = (bytes: number) => new Uint8Array(bytes).fill(++clock.made);
  const keys = new TicketKeys({ rotateMs, lifetimeMs, now: () => clock.now, random });
  /** The numbers of the keys in force, after the turn that is due at that time. */
  const at = (now: number) => {
    clock.now = now;
    keys.turn();
    return keys.keys().map(([first]) => first);
  };
  return { clock, keys, at };
}

test('a key is 80 random bytes and encrypts until the next one comes', () => {
  const { keys, at } = keysAt(10, 25);
  assert.equal(keys.keys()[0].length, 80);
  assert.deepEqual(at(9), [1]);
  assert.deepEqual(at(10), [2, 1]);
});

test('an old key decrypts until the last ticket it made is over', () => {
  const { at } = keysAt(10, 25);
  at(10);
  at(20);
  assert.deepEqual(at(30), [4, 3, 2, 1]);
  assert.deepEqual(at(34), [4, 3, 2, 1]);
  assert.deepEqual(at(35), [4, 3, 2]);
});

test('it says when there is something to do, and then does it', () => {
  const { clock, keys } = keysAt(10, 4);
  assert.equal(keys.nextTurn(), 10);
  clock.now = 10;
  assert.equal(keys.turn(), true);
  assert.equal(keys.turn(), false);
  assert.equal(keys.nextTurn(), 14);
});

test('after a long sleep of the machine there is one new key, and the one before it is good for what it made until then', () => {
  const { at } = keysAt(10, 25);
  assert.deepEqual(at(1000), [2, 1]);
  assert.deepEqual(at(1024), [3, 2, 1]);
  assert.deepEqual(at(1025), [3, 2]);
});

test('whenever a ticket was made, its key is there for its whole life and at most one rotation longer', () => {
  const steps = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 5, max: 20 }), fc.integer({ min: 1, max: 60 }), steps, (rotate, lifetime, waits) => {
      const { at } = keysAt(rotate, lifetime);
      /** When each key made its last ticket. */
      const used = new Map<number, number>();
      let now = 0;
      for (const wait of waits) {
        used.set(at(now)[0], now);
        now += wait;
        const there = at(now);
        for (const [key, last] of used) if (now < last + lifetime) assert.ok(there.includes(key));
      }
    }),
  );
});
