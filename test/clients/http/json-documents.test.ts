/** Framing of watch streams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonDocuments } from '../../../src/clients/http/json-documents.ts';

function read(chunks: readonly (string | Buffer)[], maxBytes = 1000): unknown[] {
  const documents = new JsonDocuments(maxBytes);
  const read: unknown[] = [];
  for (const chunk of chunks) documents.push(Buffer.from(chunk as string), document => read.push(document));
  documents.end();
  return read;
}

const composite = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue())).map(value => {
  // -0 and keys like __proto__ are JSON's business, not ours.
  return JSON.parse(JSON.stringify(value)) as unknown;
});

test('documents come out as they went in, wherever the chunks and the line breaks are', () => {
  const separator = fc.constantFrom('\n', '', '\r\n', '\n\n\n', ' \t');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(composite, separator, fc.boolean()), { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 20 })),
      (items, sizes) => {
        const text = items
          .map(([value, between, pretty]) => JSON.stringify(value, null, pretty ? 2 : 0) + between)
          .join('');
        const bytes = Buffer.from(text);
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        assert.deepEqual(
          read(chunks, 1_000_000),
          items.map(([value]) => value),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test('a character may be cut in two by a chunk', () => {
  const bytes = Buffer.from('{"zone":"Zürich"}\n');
  const cut = bytes.indexOf(0xc3) + 1;
  assert.deepEqual(read([bytes.subarray(0, cut), bytes.subarray(cut)]), [{ zone: 'Zürich' }]);
});

test('a document is delivered before its newline arrives', () => {
  const seen: unknown[] = [];
  new JsonDocuments(100).push(Buffer.from('{"a":1}'), document => seen.push(document));
  assert.deepEqual(seen, [{ a: 1 }]);
});

test('heartbeat lines are not documents', () => {
  assert.deepEqual(read(['\n', '\r\n', '{"a":1}\n', '\n \n', '{"b":2}\n']), [{ a: 1 }, { b: 2 }]);
});

test('a line of text is the reason why the stream fails, after the documents before it', () => {
  const seen: unknown[] = [];
  const documents = new JsonDocuments(100);
  assert.throws(
    () => documents.push(Buffer.from('{"a":1}\nno such namer\n'), document => seen.push(document)),
    /^Error: no such namer$/,
  );
  assert.deepEqual(seen, [{ a: 1 }]);
});

test('text at the very end is a reason too', () => {
  assert.throws(() => read(['max recursion']), /^Error: max recursion$/);
});

test('a stream that ends inside a document fails', () => {
  assert.throws(() => read(['{"a":']), /ended inside a document/);
});

test('a cut-off document does not swallow the ones after it', () => {
  assert.throws(() => read(['{"a":"b\n{"c":1}\n']), /line ends inside a JSON string/);
});

test('what looks like a document and is none fails', () => {
  assert.throws(() => read(['{"a":}\n']), SyntaxError);
  assert.throws(() => read(['{]\n']), SyntaxError);
  assert.throws(() => read([']\n']), /^Error: \]$/);
});

test('no more than the longest document is kept', () => {
  const documents = new JsonDocuments(100);
  documents.push(Buffer.from(`["${'a'.repeat(90)}`), () => assert.fail('not complete'));
  assert.throws(() => documents.push(Buffer.alloc(20, 'a'), () => {}), /longer than 100 bytes/);
  assert.throws(() => read(['x'.repeat(101)], 100), /longer than 100 bytes/);
  assert.deepEqual(read([`["${'a'.repeat(96)}"]`], 100), [['a'.repeat(96)]]);
});
