/** Reading a configuration from a file or from standard input. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readSource } from '../../src/config/source.ts';
import { tempDir } from '../support/temp-dir.ts';

const fromStdin = (bytes: Buffer) => readSource('-', Readable.from([bytes]));

test('a byte order mark is removed', async () => {
  assert.deepEqual(await fromStdin(Buffer.from('\ufeffa: ü')), { file: '<stdin>', text: 'a: ü' });
});

for (const [title, bytes, reason] of [
  ['Latin-1', Buffer.from('label: \xfcber', 'latin1'), /cannot read <stdin>: it is not UTF-8 text/],
  ['UTF-16', Buffer.from('\ufefflabel: a', 'utf16le'), /it is not UTF-8 text/],
  ['a NUL character', Buffer.from('a: 1\nb: \0'), /it has a NUL character in line 2/],
] as const)
  test(`${title} is refused with the reason`, async () => {
    await assert.rejects(fromStdin(bytes), { code: 'CONFIG_UNREADABLE', message: reason });
  });

test('a source that never ends is refused once it is too long', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1024 * 1024, 0x20);
    })(),
  );
  await assert.rejects(readSource('-', endless), { message: /it is longer than 16777216 bytes/ });
});

test('a file that does not exist is named with the reason', async t => {
  const file = join(tempDir(t).path, 'none.yml');
  await assert.rejects(readSource(file), { code: 'CONFIG_UNREADABLE', message: `cannot read ${file}: no such file` });
});
