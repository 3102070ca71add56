/**
 * The data plane as the control plane sees it: worker threads that receive commands and report events.
 *
 * A worker that dies takes the process with it (`died`): half a data plane would look alive and drop connections.
 */
import { setTimeout } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { type SocketAddress, showAddress } from '../../io/driver.ts';
import type { DriverKind } from '../../io/drivers/choose-driver.ts';
import { showErrno } from '../../io/errno.ts';
import type { Doorbell } from '../../io/native/kernel/doorbell.ts';
import type { TlsContext, TlsContextId } from '../../io/tls/context.ts';
import type { Log } from '../../log.ts';
import type { Cell } from '../../metrics/cells.ts';
import type { ListenerSpec, RouteId, RouteSpec, SharedCount, Up } from '../messages.ts';
import { probePort } from '../probe-port.ts';
import type { ConnectionRecord } from '../record.ts';
import type { ThreadOptions, ToThread } from './thread.ts';

export interface DataPlaneOptions {
  /** One page of metrics per worker. */
  readonly metrics: readonly SharedArrayBuffer[];
  readonly endpoints: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly log: Log;
  /** Portable when not given. */
  readonly driver?: DriverKind;
  readonly records: (records: readonly ConnectionRecord[]) => void;
  /** A client of the listener names a server that its worker knows nothing of: to be answered by {@link DataPlane.named}, always. */
  readonly asked?: (listener: number, name: string) => void;
  /** Why an endpoint of a route last failed; `at` in milliseconds since the epoch. */
  readonly endpointError?: (route: RouteId, slot: number, at: number, reason: string) => void;
  readonly died: (error: Error) => void;
}

interface WorkerThread {
  readonly thread: Thread;
  /** Wakes the thread to hear its messages; none on the portable driver, whose threads hear them by themselves. */
  readonly doorbell: Doorbell | undefined;
  readonly exited: Promise<unknown>;
  /** Generation of the last publication it has applied. */
  applied: number;
}

/** Waits for messages of workers. */
interface Waiter {
  /** @returns whether this message was the last one waited for */
  done(worker: number, message: Up): boolean;
  /** There will be no more messages. */
  fail(error: Error): void;
}

export class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #workers: WorkerThread[];
  readonly #counts: Int32Array;
  readonly #inFlight: readonly SharedCount[];
  readonly #waiters = new Set<Waiter>();
  #generation = 0;
  #stopping = false;

  private constructor(options: DataPlaneOptions, inFlight: readonly SharedCount[], doorbells: readonly Doorbell[]) {
    this.#options = options;
    this.#counts = new Int32Array(options.counts);
    this.#inFlight = inFlight;
    const workers = options.metrics.length;
    this.#workers = options.metrics.map((metrics, index) => {
      const doorbell = doorbells[index];
      const workerData: ThreadOptions = {
        index,
        workers,
        memory: { metrics, endpoints: options.endpoints, counts: options.counts },
        driver: options.driver ?? 'portable',
        doorbell: doorbell?.fd ?? -1,
      };
      const thread = new Thread(threadEntry, { workerData, name: `worker-${index}`, resourceLimits });
      thread.on('message', (message: Up) => this.#hear(index, message));
      thread.on('error', error => this.#died(index, reasonOf(error), error));
      thread.on('exit', code => this.#died(index, `exit code ${code}`));
      return { thread, doorbell, exited: new Promise(resolve => thread.once('exit', resolve)), applied: 0 };
    });
  }

  /** Resolves when all workers run. `inFlight` has one shared count per worker, for connection records. */
  static async start(options: DataPlaneOptions, inFlight: readonly SharedCount[]): Promise<DataPlane> {
    const doorbells = (options.driver ?? 'portable') === 'portable' ? [] : await makeDoorbells(options.metrics.length);
    const plane = new DataPlane(options, inFlight, doorbells);
    await plane.#all(message => message.type === 'ready');
    return plane;
  }

  /** Of the last publication. */
  get generation(): number {
    return this.#generation;
  }

  get workers(): number {
    return this.#workers.length;
  }

  /** Every worker has applied all publications up to this one. */
  get acknowledged(): number {
    return Math.min(...this.#workers.map(worker => worker.applied));
  }

  /**
   * Listens in all workers on one port, or in none.
   * @param isShared whether others may listen there too
   * @throws LinkerdTcpError CANNOT_LISTEN
   */
  async listen(listener: ListenerSpec, isShared = false): Promise<SocketAddress> {
    // Because of SO_REUSEPORT, another process of the same user would silently get a share of the connections, or take one.
    if (!isShared && listener.port !== 0) await probePort(listener);
    const [first, ...others] = this.#workers.keys();
    const address = await this.#listenIn(first, listener);
    const same = { ...listener, port: address.port };
    const outcomes = await Promise.allSettled(others.map(worker => this.#listenIn(worker, same)));
    const refusal = outcomes.find(outcome => outcome.status === 'rejected');
    if (refusal) {
      const open = others.filter((_, i) => outcomes[i].status === 'fulfilled');
      await this.#unlistenIn([first, ...open], listener.id);
      throw refusal.reason;
    }
    return address;
  }

  /** @returns the generation of the change. */
  adjust(listener: ListenerSpec): number {
    const generation = ++this.#generation;
    this.#tell({ type: 'adjust', listener, generation });
    return generation;
  }

  /** Closes the listening sockets; sessions continue. */
  async unlisten(id: number): Promise<void> {
    await this.#unlistenIn([...this.#workers.keys()], id);
  }

  /** @returns the generation of the publication. */
  publish(route: Omit<RouteSpec, 'generation'>): number {
    const generation = ++this.#generation;
    this.#tell({ type: 'route', route: { ...route, generation } });
    return generation;
  }

  unroute(id: RouteId): number {
    const generation = ++this.#generation;
    this.#tell({ type: 'unroute', id, generation });
    return generation;
  }

  /** Where a server name of a listener leads: a route that is published, or null to refuse those who asked. */
  named(listener: number, name: string, route: RouteId | null): void {
    this.#tell({ type: 'named', listener, name, route });
  }

  /** A context, or another one of the same id: known to a worker before what refers to it. */
  defineTls(id: TlsContextId, context: TlsContext): void {
    this.#tell({ type: 'tls', id, context });
  }

  /** After what referred to it. */
  forgetTls(id: TlsContextId): void {
    this.#tell({ type: 'untls', id });
  }

  /** The next client that names it asks. */
  unnamed(listener: number, name: string): void {
    this.#tell({ type: 'unnamed', listener, name });
  }

  record(dropped: Cell | null): void {
    for (const i of this.#workers.keys()) {
      const recording = dropped === null ? null : { inFlight: this.#inFlight[i], dropped };
      this.#tellOne(i, { type: 'recording', recording });
    }
  }

  /**
   * Stops accepting and waits for the sessions to end, not for a worker that hangs.
   * @returns how many were cut off after `graceMs`.
   */
  async drain(graceMs: number): Promise<number> {
    let cut = 0;
    const silent = new Set(this.#workers.keys());
    const drained = this.#all((message, worker) => {
      if (message.type !== 'drained') return false;
      silent.delete(worker);
      cut += message.cut;
      return true;
    });
    this.#tell({ type: 'drain', graceMs });
    await Promise.race([drained, setTimeout(graceMs + answerTimeoutMs, undefined, { ref: false })]);
    for (const worker of silent) this.#options.log.error(`data plane worker ${worker} hangs, and is ended by force`);
    return cut;
  }

  /** Ends the threads: when they look up, which they do at once, or after a bound by force. */
  async terminate(): Promise<void> {
    this.#stopping = true;
    this.#tell({ type: 'stop' });
    const exited = Promise.all(this.#workers.map(worker => worker.exited));
    await Promise.race([exited, setTimeout(stopTimeoutMs, undefined, { ref: false })]);
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
    for (const { doorbell } of this.#workers) doorbell?.close();
  }

  #tell(message: ToThread): void {
    for (const worker of this.#workers.keys()) this.#tellOne(worker, message);
  }

  #tellOne(worker: number, message: ToThread): void {
    const { thread, doorbell } = this.#workers[worker];
    thread.postMessage(message);
    doorbell?.ring();
  }

  #listenIn(worker: number, listener: ListenerSpec): Promise<SocketAddress> {
    const { promise, resolve, reject } = Promise.withResolvers<SocketAddress>();
    const waiter: Waiter = {
      fail: reject,
      done: (from: number, message: Up): boolean => {
        if (from !== worker || !('id' in message) || message.id !== listener.id) return false;
        if (message.type === 'listening') resolve({ ip: message.ip, port: message.port });
        else if (message.type === 'listenFailed')
          reject(
            new LinkerdTcpError('CANNOT_LISTEN', { address: showAddress(listener), reason: showErrno(message.errno) }),
          );
        else return false;
        return true;
      },
    };
    this.#waiters.add(waiter);
    this.#tellOne(worker, { type: 'listen', listener });
    return promise;
  }

  async #unlistenIn(workers: readonly number[], id: number): Promise<void> {
    const closed = this.#all(message => message.type === 'unlistened' && message.id === id, workers);
    for (const worker of workers) this.#tellOne(worker, { type: 'unlisten', id });
    await closed;
  }

  /** Resolves when every worker, or each of those, has sent a message that `matches`. */
  #all(
    matches: (message: Up, worker: number) => boolean,
    workers: Iterable<number> = this.#workers.keys(),
  ): Promise<void> {
    const missing = new Set(workers);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.add({
      fail: reject,
      done: (worker, message) => {
        if (!missing.has(worker) || !matches(message, worker)) return false;
        missing.delete(worker);
        if (missing.size > 0) return false;
        resolve();
        return true;
      },
    });
    return promise;
  }

  #hear(worker: number, message: Up): void {
    if (message.type === 'applied') this.#workers[worker].applied = message.generation;
    else if (message.type === 'notice') this.#options.log[message.level](message.text);
    else if (message.type === 'asked' && !this.#stopping) this.#options.asked?.(message.listener, message.name);
    else if (message.type === 'endpointError')
      this.#options.endpointError?.(message.route, message.slot, message.at, message.reason);
    else if (message.type === 'records') {
      Atomics.sub(this.#counts, this.#inFlight[worker], message.records.length);
      this.#options.records(message.records);
    }
    for (const waiter of this.#waiters) if (waiter.done(worker, message)) this.#waiters.delete(waiter);
  }

  #died(worker: number, reason: string, cause?: unknown): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const error = new LinkerdTcpError('WORKER_DIED', { worker, reason }, { cause });
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
    this.#options.died(error);
  }
}

/** The same file, run from source or compiled. */
const threadEntry = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

const stopTimeoutMs = 1_500;
/** A worker looks up from its work far sooner. */
const answerTimeoutMs = 2_000;

/** Chunks die young: a large nursery would only be more memory to walk through, and the engine lets it grow for minutes. */
const resourceLimits = { maxYoungGenerationSizeMb: 6 };

/** Loaded only where they are used: the module needs node:ffi. */
async function makeDoorbells(count: number): Promise<readonly Doorbell[]> {
  const { Doorbell } = await import('../../io/native/kernel/doorbell.ts');
  return Array.from({ length: count }, () => new Doorbell());
}
