/**
 * Entry of a file's thread whose disk is as slow as the test says: each write waits in the thread, as in fsync(2), while the cell
 * that the test shares is 1.
 */
import { workerData } from 'node:worker_threads';
import { type Change, SqliteFile } from '../../src/stores/sqlite/file.ts';
import { serveFile } from '../../src/stores/sqlite/thread-server.ts';

class SlowFile extends SqliteFile {
  override write(change: Change): number {
    Atomics.wait((workerData as { stalled: Int32Array }).stalled, 0, 1);
    return super.write(change);
  }
}

serveFile(options => new SlowFile(options));
