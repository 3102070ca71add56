/** The ring of buffers that the kernel receives into: short, and never most of the pool. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../../src/io/native/base/buffer-pool.ts';
import { ReceiveRing } from '../../../src/io/native/uring/receive-ring.ts';

function rig(limit: number) {
  const pool = new BufferPool({ bytes: 4096, step: 64, limit });
  const inRing: number[] = [];
  const take = pool.take.bind(pool);
  pool.take = () => {
    const buffer = take();
    if (buffer >= 0) inRing.push(buffer);
    return buffer;
  };
  const ring = new ReceiveRing({ registerBufferRing: () => {} }, pool, 4096);
  /** A turn in which the kernel uses all buffers, which are then released, and that many receives find none. */
  const burst = (ranOut: number): void => {
    for (const buffer of inRing.splice(0)) {
      ring.taken();
      pool.give(buffer);
    }
    for (let i = 0; i < ranOut; i++) ring.ranOut();
    ring.refill();
  };
  return { pool, ring, burst };
}

test('many receives that find the ring empty in one turn make it double once', () => {
  const { ring, burst } = rig(2048);
  assert.equal(ring.size, 32);
  burst(6);
  assert.equal(ring.size, 64);
});

test('the ring leaves most of the pool to writes and bulk reads, however often it runs out', () => {
  const { pool, ring, burst } = rig(2048);
  for (let i = 0; i < 7; i++) burst(50);
  assert.equal(ring.size, 256);
  assert.ok(!pool.underPressure);
  assert.notEqual(pool.take(), -1);
});

test('a ring of a small pool is small', () => {
  const { pool, ring, burst } = rig(48);
  for (let i = 0; i < 3; i++) burst(10);
  assert.equal(ring.size, 6);
  assert.ok(pool.available > 0);
});

test('the ring shrinks after many turns that needed little of it', () => {
  const { ring, burst } = rig(2048);
  burst(1);
  burst(1);
  assert.equal(ring.size, 128);
  for (let i = 0; i < 2100; i++) ring.refill();
  for (let i = 0; i < 100; i++) ring.taken();
  ring.refill();
  assert.equal(ring.size, 32);
});
