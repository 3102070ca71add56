/**
 * Writes text lines to a file, a pipe or a terminal without ever waiting for the reader.
 *
 * While the destination is slow, lines queue in bounded memory; further lines are dropped and counted. Pipes and terminals are
 * reopened as non-blocking: a blocking write would occupy a libuv thread, and process exit would wait for it.
 */
import { constants, fstatSync, open, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sonicBoom, { type SonicBoom } from 'sonic-boom';
import { fileReason, LinkerdTcpError, reasonOf } from './errors.ts';

/** A file path, or the descriptor of standard output (1) or standard error (2). */
export type LineDestination = string | 1 | 2;

export interface LineSinkOptions {
  readonly destination: LineDestination;
  /** Bytes that may wait for the destination. */
  readonly limit?: number;
  /** A write or reopen failed. Lines keep queueing and the next write retries. Called once until a write succeeds. */
  readonly onError?: (reason: string) => void;
  /** Called with the number of lines just dropped. */
  readonly onDrop?: (lines: number) => void;
}

const defaultLimit = 1 << 20;
/** sonic-boom retries a full pipe every 100 ms. */
const retryMs = 100;
/** Limit for flushing queued lines to the old file at a rotation. */
const reopenBoundMs = 1000;
const openFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;

export class LineSink {
  readonly #destination: LineDestination;
  readonly #limit: number;
  readonly #onError: (reason: string) => void;
  readonly #onDrop: (lines: number) => void;
  #current: Attached;
  #closing: Promise<void> | undefined;

  private constructor(descriptor: number, options: LineSinkOptions) {
    this.#destination = options.destination;
    this.#limit = options.limit ?? defaultLimit;
    this.#onError = options.onError ?? (() => {});
    this.#onDrop = options.onDrop ?? (() => {});
    this.#current = this.#attach(descriptor);
  }

  /** Opens a file or standard stream. @throws LinkerdTcpError CANNOT_WRITE */
  static async open(options: LineSinkOptions): Promise<LineSink> {
    return new LineSink(
      typeof options.destination === 'string' ? await openFile(options.destination) : nonBlocking(options.destination),
      options,
    );
  }

  /** The same for standard output or standard error, synchronously. */
  static standard(options: LineSinkOptions & { readonly destination: 1 | 2 }): LineSink {
    return new LineSink(nonBlocking(options.destination), options);
  }

  /** Queues text that ends with a newline. */
  write(line: string): void {
    if (this.#closing === undefined) {
      this.#current.stream.write(line);
    } else {
      this.#onDrop(1);
    }
  }

  /** After a rotation, opens the path again and continues there. If that fails, the old file stays in use. */
  async reopen(): Promise<void> {
    if (typeof this.#destination !== 'string' || this.#closing !== undefined) return;
    const descriptor = await openFile(this.#destination);
    const previous = this.#current;
    this.#current = this.#attach(descriptor);
    await finish(previous, reopenBoundMs);
  }

  /** Writes as much as possible without waiting; for use just before the process exits. */
  flushNow(): void {
    const { stream } = this.#current;
    this.#current.isAbandoned = true;
    try {
      stream.flushSync();
    } catch (error) {
      this.#onError(reasonOf(error));
    }
  }

  /** Flushes queued lines for at most `boundMs`, then drops the rest. */
  close(boundMs = 1000): Promise<void> {
    this.#closing ??= finish(this.#current, boundMs);
    return this.#closing;
  }

  #attach(descriptor: number): Attached {
    let isFailing = false;
    const attached: Attached = {
      isAbandoned: false,
      stream: new sonicBoom.SonicBoom({
        fd: descriptor,
        sync: false,
        maxLength: this.#limit,
        retryEAGAIN: () => !attached.isAbandoned,
      }),
    };
    attached.stream.on('drop', (text: string) => this.#onDrop(countLines(text)));
    attached.stream.on('write', () => {
      isFailing = false;
    });
    attached.stream.on('error', error => {
      if (!isFailing && !attached.isAbandoned) {
        isFailing = true;
        this.#onError(reasonOf(error));
      }
    });
    return attached;
  }
}

interface Attached {
  readonly stream: SonicBoom;
  /** No further writes are tried. */
  isAbandoned: boolean;
}

async function finish(attached: Attached, boundMs: number): Promise<void> {
  const { stream } = attached;
  const { promise: isClosed, resolve } = Promise.withResolvers<boolean>();
  stream.once('close', () => resolve(true));
  stream.once('error', () => resolve(false));
  stream.end();
  if (await within(boundMs, isClosed)) return;
  // The pending retry must see this and stop before the descriptor is closed, because its number may be reused.
  attached.isAbandoned = true;
  if (!(await within(retryMs * 2, isClosed))) stream.destroy();
}

const openDescriptor = promisify(open);

async function openFile(path: string): Promise<number> {
  try {
    return await openDescriptor(path, openFlags, 0o640);
  } catch (error) {
    throw new LinkerdTcpError('CANNOT_WRITE', { file: path, reason: fileReason(error) }, { cause: error });
  }
}

/**
 * A reopened pipe or terminal has its own flags, so programs that share it keep their blocking writes. A socket cannot be reopened;
 * Node makes it non-blocking when its stream is first used.
 */
function nonBlocking(descriptor: 1 | 2): number {
  try {
    const status = fstatSync(descriptor);
    if (status.isSocket()) {
      void (descriptor === 1 ? process.stdout : process.stderr);
    } else if (status.isFIFO() || status.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
    }
  } catch {
    // No /proc, or another user's terminal: use the descriptor itself.
  }
  return descriptor;
}

/** Whether `done` resolved to true within the bound. */
async function within(boundMs: number, done: Promise<boolean>): Promise<boolean> {
  const bound = new AbortController();
  const late = sleep(boundMs, false, { signal: bound.signal }).catch(() => false);
  try {
    return await Promise.race([done, late]);
  } finally {
    bound.abort();
  }
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    lines++;
  }
  return lines;
}
