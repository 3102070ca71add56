/** Jute and its frames: written values are read back, and bytes that make no sense are refused at a bounded cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frames, JuteReader, JuteWriter } from '../../../src/clients/zookeeper/jute.ts';

const frameOf = (body: Uint8Array): Buffer => new JuteWriter().bytes(body).written();

test('every value is read as it was written', () => {
  const values = fc.tuple(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.uint8Array({ maxLength: 100 }),
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.string(), { maxLength: 5 }),
  );
  fc.assert(
    fc.property(values, ([int, long, bytes, text, texts]) => {
      const writer = new JuteWriter().int(int).long(long).bytes(bytes).text(text).int(texts.length);
      for (const one of texts) writer.text(one);
      const reader = new JuteReader(writer.written());
      assert.deepEqual([reader.int(), reader.long(), [...reader.bytes()]], [int, long, [...bytes]]);
      assert.deepEqual([reader.text(), reader.texts()], [text, texts]);
    }),
  );
});

test('-1 stands for no bytes, no text and no list', () => {
  const written = new JuteWriter().int(-1).int(-1).int(-1).written();
  const reader = new JuteReader(written);
  assert.deepEqual([reader.bytes().length, reader.text(), reader.texts()], [0, '', []]);
});

test('whatever the bytes, a reader answers from them or throws a RangeError', () => {
  const kinds = fc.array(fc.constantFrom('int', 'long', 'bytes', 'text', 'texts'), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), kinds, (bytes, calls) => {
      const reader = new JuteReader(Buffer.from(bytes));
      try {
        for (const call of calls) reader[call]();
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
  );
});

test('a list that claims two billion texts is refused when its bytes end', () => {
  const reader = new JuteReader(
    new JuteWriter()
      .int(2 ** 31 - 1)
      .text('one')
      .written(),
  );
  assert.throws(() => reader.texts(), /ends before it is complete/);
});

test('frames come out whole, however their bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map(frameOf));
        const frames = new Frames(100);
        const read: number[][] = [];
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const length = cuts[cut % cuts.length] as number;
          for (const frame of frames.take(stream.subarray(at, at + length))) read.push([...frame]);
          at += length;
        }
        assert.deepEqual(
          read,
          bodies.map(body => [...body]),
        );
      },
    ),
  );
});

test('a frame of a negative length, or longer than allowed, is refused by its length alone', () => {
  for (const length of [-1, 101]) {
    const head = new JuteWriter().int(length).written();
    assert.throws(() => [...new Frames(100).take(head)], new RegExp(`a message of ${length} bytes`));
  }
});
