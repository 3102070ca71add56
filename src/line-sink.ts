/**
 * Text lines to a file, a pipe or a terminal, without ever waiting for the reader.
 *
 * Lines queue in bounded memory while the destination is slow; beyond the bound they are dropped and counted. Pipes and
 * terminals are reopened non-blocking: a write that blocks would hold a libuv thread, and process exit would wait for it.
 */
import { constants, fstatSync, open, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sonicBoom, { type SonicBoom } from 'sonic-boom';
import { LinkerdTcpError, reasonOf } from './errors.ts';

/** A file path, or the descriptor of standard output (1) or standard error (2). */
export type LineDestination = string | 1 | 2;

export interface LineSinkOptions {
  readonly destination: LineDestination;
  /** Bytes that may wait for the destination. */
  readonly limit?: number;
  /** A write or reopen failed; lines keep queueing and the next write tries again. Told once until a write succeeds. */
  readonly onError?: (reason: string) => void;
  /** So many lines were dropped just now. */
  readonly onDrop?: (lines: number) => void;
}

const defaultLimit = 1 << 20;
/** sonic-boom retries a full pipe every 100 ms. */
const retryMs = 100;
/** For the file before a rotation to take what was queued for it. */
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

  /** Opens a file or standard stream. A file that cannot be opened is an operator's error. */
  static async open(options: LineSinkOptions): Promise<LineSink> {
    return new LineSink(
      typeof options.destination === 'string' ? await openFile(options.destination) : nonBlocking(options.destination),
      options,
    );
  }

  /** The same for standard output or standard error, at once. */
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

  /** Continues in a new file of the same path, after rotation. If it cannot be opened the old one stays in use. */
  async reopen(): Promise<void> {
    if (typeof this.#destination !== 'string' || this.#closing !== undefined) {
      return;
    }
    const descriptor = await openFile(this.#destination);
    const previous = this.#current;
    this.#current = this.#attach(descriptor);
    await finish(previous, reopenBoundMs);
  }

  /** Writes what can be written without waiting: for the last moment before the process exits. */
  flushNow(): void {
    const { stream } = this.#current;
    this.#current.isAbandoned = true;
    try {
      stream.flushSync();
    } catch (error) {
      this.#onError(reasonOf(error));
    }
  }

  /** Writes out what is queued, for at most `boundMs`; what is left then is dropped. */
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
  /** A destination that takes no more is not tried again. */
  isAbandoned: boolean;
}

async function finish(attached: Attached, boundMs: number): Promise<void> {
  const { stream } = attached;
  const { promise: isClosed, resolve } = Promise.withResolvers<boolean>();
  stream.once('close', () => resolve(true));
  stream.once('error', () => resolve(false));
  stream.end();
  if (await within(boundMs, isClosed)) {
    return;
  }
  // The pending retry must see this and stop, before the descriptor is closed and its number perhaps used again.
  attached.isAbandoned = true;
  if (!(await within(retryMs * 2, isClosed))) {
    stream.destroy();
  }
}

const openDescriptor = promisify(open);

async function openFile(path: string): Promise<number> {
  try {
    return await openDescriptor(path, openFlags, 0o640);
  } catch (error) {
    throw new LinkerdTcpError('CANNOT_WRITE', { file: path, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * A pipe or terminal opened again has flags of its own: the programs that share it keep their blocking writes. A socket
 * cannot be opened again; Node makes it non-blocking when its stream is first used.
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
    // No /proc, or a terminal of another user: the descriptor itself has to do.
  }
  return descriptor;
}

/** Whether `done` came true within the bound. */
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
