/** gRPC frames of etcd's answers: read however they are cut, and refused when they make no sense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from '../../../src/clients/etcd/frames.ts';

const frameOf = (body: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
};

test('messages are read whole, however their bytes are cut into chunks', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (messages, cuts) => {
      const stream = Buffer.concat(messages.map(frameOf));
      const reader = new FrameReader();
      const read: Buffer[] = [];
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const length = cuts[cut % cuts.length] as number;
        read.push(...reader.read(stream.subarray(at, at + length)));
        at += length;
      }
      assert.deepEqual(
        read.map(message => [...message]),
        messages.map(message => [...message]),
      );
    }),
  );
});

test('a chunk of many small messages is not copied once for each of them', () => {
  const chunk = Buffer.concat(Array.from({ length: 2_000 }, () => frameOf(Buffer.of(1, 2, 3))));
  const reader = new FrameReader();
  let concatenated = 0;
  const { concat } = Buffer;
  Buffer.concat = (list, length) => {
    const bytes = concat(list, length);
    concatenated += bytes.length;
    return bytes;
  };
  try {
    assert.equal(reader.read(chunk).length, 2_000);
  } finally {
    Buffer.concat = concat;
  }
  assert.ok(concatenated <= 2 * chunk.length, `${concatenated} bytes copied for ${chunk.length}`);
});

test('a compressed message and one of 64 MiB are refused before their bytes arrive', () => {
  assert.throws(() => new FrameReader().read(Buffer.of(1, 0, 0, 0, 1)), /compressed/);
  assert.throws(() => new FrameReader().read(Buffer.of(0, 4, 0, 0, 0)), /67108869 bytes/);
});
