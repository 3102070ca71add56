/**
 * The file as namerd's main thread uses it: SQLite runs in a thread of its own, because fsync(2) may take as long as the disk likes.
 *
 * Opening waits for the thread, so that a file that cannot be used is an error of the start. After that nothing here blocks.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Change, CurrentRow, RowPage, RowQuery, SqliteFileOptions, VersionRow } from './file.ts';
import type {
  FailureMessage,
  FileAnswer,
  FileMethod,
  FileRequest,
  OpenedMessage,
  ThreadData,
} from './thread-server.ts';

/** For the integrity check of a large file. */
const openTimeoutMs = 60_000;
const readTimeoutMs = 5000;

type Waiter = PromiseWithResolvers<unknown>;

export class FileThread {
  /** The namespaces when the file was opened. */
  readonly current: readonly CurrentRow[];
  /** Whether there was a file of 0 bytes. */
  readonly wasEmpty: boolean;

  readonly #store: string;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiter>();
  readonly #exited: Promise<unknown>;
  #lastId = 0;
  #end: string | undefined;

  /**
   * @param thread another entry, and what it is given beside the options
   * @throws LinkerdTcpError STORE_UNAVAILABLE
   */
  constructor(options: SqliteFileOptions, thread: { readonly entry: URL; readonly data: object } = ownThread) {
    this.#store = options.store;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const opened = new Int32Array(new SharedArrayBuffer(4));
    const workerData: ThreadData = { ...thread.data, options, port: port2, opened };
    this.#worker = new Worker(thread.entry, { workerData, transferList: [port2], name: 'sqlite' });
    this.#exited = new Promise(resolve => this.#worker.once('exit', resolve));
    this.#worker.on('error', error => this.#ended(reasonOf(error)));
    this.#worker.on('exit', code => this.#ended(`exit code ${code}`));
    const message = this.#opened(opened);
    this.current = message.current;
    this.wasEmpty = message.wasEmpty;
    port1.on('message', (answer: FileAnswer) => this.#answered(answer));
    // Only requests under way keep the process alive.
    port1.unref();
    this.#worker.unref();
  }

  write(change: Change): Promise<number> {
    return this.#request('write', [change]) as Promise<number>;
  }

  page(namespace: string, query: RowQuery): Promise<RowPage> {
    return this.#read(namespace, 'page', [namespace, query]) as Promise<RowPage>;
  }

  version(
    namespace: string,
    key: { readonly version: number } | { readonly number: number },
  ): Promise<VersionRow | undefined> {
    return this.#read(namespace, 'version', [namespace, key]) as Promise<VersionRow | undefined>;
  }

  /** After the writes that are under way. */
  async close(): Promise<void> {
    try {
      await this.#request('close', []);
    } finally {
      this.#worker.ref();
      // The thread ends when its port is closed; by then it has no answer left to send.
      this.#port.close();
      await this.#exited;
    }
  }

  #opened(opened: Int32Array): Extract<OpenedMessage, { current: unknown }> {
    Atomics.wait(opened, 0, 0, openTimeoutMs);
    const message = receiveMessageOnPort(this.#port)?.message as OpenedMessage | undefined;
    if (message !== undefined && 'current' in message) return message;
    void this.#worker.terminate();
    this.#port.close();
    if (message === undefined) throw this.#unavailable('start', `the file was not open after ${openTimeoutMs} ms`);
    throw this.#failure(message.failure);
  }

  async #read(namespace: string, method: FileMethod, args: readonly unknown[]): Promise<unknown> {
    const late = Promise.withResolvers<never>();
    const action = `read the history of namespace ${namespace}`;
    const timer = setTimeout(() => {
      late.reject(this.#unavailable(action, `no answer within ${readTimeoutMs} ms`));
    }, readTimeoutMs);
    try {
      return await Promise.race([this.#request(method, args), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #request(method: FileMethod, args: readonly unknown[]): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#unavailable('use its file', this.#end));
    const waiter = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#waiting.set(id, waiter);
    this.#port.ref();
    this.#port.postMessage({ id, method, args } satisfies FileRequest);
    return waiter.promise;
  }

  #answered(answer: FileAnswer): void {
    const waiter = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#port.unref();
    if ('failure' in answer) waiter?.reject(this.#failure(answer.failure));
    else waiter?.resolve(answer.result);
  }

  #ended(reason: string): void {
    this.#end ??= `the thread of the file has ended (${reason})`;
    for (const waiter of this.#waiting.values()) waiter.reject(this.#unavailable('use its file', this.#end));
    this.#waiting.clear();
  }

  #failure({ code, details }: FailureMessage): LinkerdTcpError {
    return new LinkerdTcpError(code, details);
  }

  #unavailable(action: string, reason: string): LinkerdTcpError {
    const hint = 'check the disk and the log; reads of dtabs go on';
    return new LinkerdTcpError('STORE_UNAVAILABLE', { store: this.#store, action, reason, hint });
  }
}

const ownThread = {
  entry: new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url),
  data: {},
};
