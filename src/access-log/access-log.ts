/**
 * The access log: one line per finished connection, to a file or standard output.
 *
 * Never in the way of the data plane: lines queue in bounded memory, and a destination that does not keep up costs lines,
 * which are counted in l5d:accesslog:dropped.
 */
import { LineSink } from '../line-sink.ts';
import type { Log } from '../log.ts';
import type { Registry, Scope } from '../metrics/registry.ts';
import type { ConnectionRecord } from '../proxy/record.ts';
import { type AccessLogFormat, type FormatRecord, recordFormats } from './format.ts';

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  /** A path; `-` is standard output. */
  readonly file: string;
  readonly registry: Registry;
  readonly log: Log;
  /** Bytes that may wait for the destination. */
  readonly limit?: number;
}

/** A full queue drops whole pieces, and a piece is also what one write carries. */
const pieceLength = 16 * 1024;

export class AccessLog {
  readonly #sink: LineSink;
  readonly #format: FormatRecord;
  readonly #scope: Scope;
  readonly #log: Log;

  private constructor(sink: LineSink, format: FormatRecord, scope: Scope, log: Log) {
    this.#sink = sink;
    this.#format = format;
    this.#scope = scope;
    this.#log = log;
  }

  /** Opens the destination; a file that cannot be written is the operator's error. */
  static async open(options: AccessLogOptions): Promise<AccessLog> {
    const { registry, log, file } = options;
    const scope = registry.scope({});
    const dropped = scope.counter('l5d:accesslog:dropped');
    try {
      const sink = await LineSink.open({
        destination: file === '-' ? 1 : file,
        limit: options.limit,
        onError: reason => log.error('access log cannot be written', { file, reason }),
        onDrop: lines => registry.main.add(dropped, lines),
      });
      return new AccessLog(sink, recordFormats[options.format], scope, log);
    } catch (error) {
      endSeries(scope);
      throw error;
    }
  }

  write(records: readonly ConnectionRecord[]): void {
    let piece = '';
    for (const record of records) {
      piece += this.#format(record);
      if (piece.length >= pieceLength) {
        this.#sink.write(piece);
        piece = '';
      }
    }
    if (piece !== '') {
      this.#sink.write(piece);
    }
  }

  /** Opens the file again after it was renamed. If that fails, logging continues to the old file. @returns whether it worked */
  async reopen(): Promise<boolean> {
    try {
      await this.#sink.reopen();
      return true;
    } catch (error) {
      this.#log.error('access log not reopened; logging continues to the old file', { reason: error });
      return false;
    }
  }

  /** Writes out what is queued, for at most `boundMs`. */
  async close(boundMs?: number): Promise<void> {
    await this.#sink.close(boundMs);
    endSeries(this.#scope);
  }
}

function endSeries(scope: Scope): void {
  scope.release();
  scope.confirmReleased();
}
