/** The pool of buffers: bounded, and in debug mode strict about who owns what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../../src/io/native/base/buffer-pool.ts';

test('a pool gives out no more than its limit, and continues when a buffer is released', () => {
  const pool = new BufferPool({ bytes: 4096, step: 2, limit: 3 });
  const taken = [pool.take(), pool.take(), pool.take()];
  assert.equal(new Set(taken).size, 3);
  assert.equal(pool.take(), -1);
  assert.equal(pool.available, 0);
  pool.give(taken[1]);
  assert.equal(pool.take(), taken[1]);
});

test('the buffer released last is reused first: it is still in the cache', () => {
  const pool = new BufferPool({ bytes: 4096, step: 4, limit: 4 });
  const [a, b] = [pool.take(), pool.take()];
  pool.give(b);
  pool.give(a);
  assert.equal(pool.take(), a);
});

test('buffers do not overlap', () => {
  const pool = new BufferPool({ bytes: 4096, step: 2, limit: 4 });
  const taken = [pool.take(), pool.take(), pool.take(), pool.take()];
  for (const id of taken) pool.view(id).fill(id + 1);
  for (const id of taken) assert.ok(pool.view(id).every(byte => byte === id + 1));
});

test('a copy has just its bytes, frees the buffer it was taken from, and its id is used again', () => {
  const pool = new BufferPool({ bytes: 4096, step: 1, limit: 1, debug: true });
  const id = pool.take();
  pool.view(id).set([1, 2, 3, 4]);
  assert.ok(pool.underPressure);
  const copy = pool.copyOut(id, 1, 2);
  assert.deepEqual([...pool.view(copy)], [2, 3]);
  assert.ok(pool.isCopy(copy));
  assert.ok(!pool.underPressure && pool.available > 0);
  assert.equal(pool.inUse, 1);
  const again = pool.take();
  assert.equal(again, id);
  pool.give(copy);
  assert.throws(() => pool.give(copy), /does not own/);
  assert.equal(pool.copyOut(again, 0, 1), copy);
});

test('in debug mode releasing a buffer twice throws, and a released buffer is poisoned', () => {
  const pool = new BufferPool({ bytes: 4096, step: 1, limit: 1, debug: true });
  const id = pool.take();
  pool.view(id).fill(1);
  pool.give(id);
  assert.ok(pool.view(id).every(byte => byte === 0xdb));
  assert.throws(() => pool.give(id), /does not own/);
});

test('pages of buffers that nothing needs after a burst are released, and the buffers are good for the next one', () => {
  const pool = new BufferPool({ bytes: 64 * 1024, step: 64, limit: 256 });
  const use = (count: number): void => {
    const taken = Array.from({ length: count }, () => pool.take());
    for (const id of taken) pool.view(id).fill(1);
    for (const id of taken) pool.give(id);
  };
  use(256);
  assert.equal(pool.trim(), 0, 'they were used just now');
  use(10);
  assert.equal(pool.trim() + pool.trim(), 256 - 64, 'what was not used since, but for those kept warm');
  assert.equal(pool.trim(), 0);
  use(256);
});
