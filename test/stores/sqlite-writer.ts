/**
 * A process that writes to an `io.l5d.sqlite` file and says so, one line each: what tests kill, and starve of disk.
 *
 *   sqlite-writer.ts PATH count FROM    writes namespaces n0…n4 in turn; a line with the number and version of each answered write
 *   sqlite-writer.ts PATH fill          writes large dtabs until it fails, says what is served, and once more after a line of input
 */
import { readSync, writeSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import { parseDtab } from '../../src/dtab/parse.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { sqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import type { Version } from '../../src/stores/store.ts';

const [path = '', mode, from = '0'] = process.argv.slice(2);
const store = sqliteStore.create(
  { path, history: 10, maxHistoryBytes: 2 ** 30 },
  { log: { info() {}, warn() {}, error() {} }, now: () => 0, random: () => 0.5, epochMs: Date.now },
);

const hex = (version: Version) => Buffer.from(version).toString('hex');

/** Not through process.stdout: a line is gone before the next write begins. Waits for a slow reader. */
function say(line: unknown): void {
  for (;;)
    try {
      writeSync(1, `${JSON.stringify(line)}\n`);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
}

if (mode === 'count')
  for (let i = Number(from); ; i++) {
    const version = await store.put(`n${i % 5}`, parseDtab(`/svc=>/i${i}`));
    say([i, hex(version)]);
  }

const large = parseDtab(`/svc=>/${'a'.repeat(20_000)}`);
const fill = async () => {
  let version = '';
  try {
    for (let i = 0; i < 40; i++) version = hex(await store.put('web', large));
    return { version };
  } catch (error) {
    if (!(error instanceof LinkerdTcpError)) throw error;
    const state = await firstValueFrom(store.observe('web'));
    const served = state.state === 'ok' && state.value !== null && hex(state.value.version) === version;
    const past = (await store.history?.('web'))?.versions.length;
    return { version, code: error.code, message: error.message, served, past };
  }
};
say(await fill());
readSync(0, Buffer.alloc(1));
say(await fill());
await store.close();
