/**
 * Entry of a worker thread: a {@link Worker} on the configured driver.
 *
 * On a native driver the thread blocks in the driver, not in its event loop, and a doorbell signals waiting messages. It still goes
 * through the event loop a few times a second, for what the engine does there: finalizers, inspectors, the end of the thread.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { DriverKind } from '../../io/drivers/choose-driver.ts';
import type { NativeDriver } from '../../io/native/base/native-driver.ts';
import { PortableDriver } from '../../io/portable/driver.ts';
import { NodeTlsEngine } from '../../io/portable/tls-engine.ts';
import type { Down, Up, WorkerMemory } from '../messages.ts';
import { Worker, type WorkerOptions } from './worker.ts';

export interface ThreadOptions {
  readonly index: number;
  readonly workers: number;
  readonly memory: WorkerMemory;
  readonly driver: DriverKind;
  /** The eventfd that is written to after each message; -1 on the portable driver. */
  readonly doorbell: number;
}

/** The messages to a thread: those for its worker, and the one that ends it. */
export type ToThread = Down | { readonly type: 'stop' };

const eventLoopEveryMs = 250;

if (parentPort === null) throw new Error('this file is the entry of a worker thread');
const port = parentPort;
const { driver: kind, doorbell, ...own } = workerData as ThreadOptions;
const common: Omit<WorkerOptions, 'createDriver' | 'createTls'> = {
  ...own,
  control: { post: (message: Up) => port.postMessage(message) },
  random: Math.random,
};

if (kind === 'portable') runPortable();
else await runNative(kind);

function runPortable(): void {
  const worker = new Worker({
    ...common,
    createDriver: events => new PortableDriver(events),
    createTls: (sink, below) => new NodeTlsEngine(sink, below),
  });
  port.on('message', (message: ToThread) => {
    if (message.type === 'stop') process.exit();
    worker.tell(message);
  });
}

async function runNative(native: 'epoll' | 'uring'): Promise<void> {
  const { openNativeDriver, openNativeTls } = await import('../../io/native/open.ts');
  let isStopped = false;
  let worker: Worker | undefined;
  const hear = (): void => {
    for (let next = receiveMessageOnPort(port); next && worker; next = receiveMessageOnPort(port)) {
      const message = next.message as ToThread;
      if (message.type === 'stop') isStopped = true;
      else worker.tell(message);
    }
  };
  worker = new Worker({
    ...common,
    createDriver: events => openNativeDriver(native, events, { wake: { fd: doorbell, onWake: hear } }),
    createTls: openNativeTls,
  });
  const driver = worker.driver as NativeDriver;
  // Handles the messages sent before the driver listened for the doorbell.
  hear();
  const turnForAWhile = (): void => {
    const until = driver.now() + eventLoopEveryMs;
    do driver.turn();
    while (!isStopped && driver.now() < until);
    if (isStopped) end();
    else setImmediate(turnForAWhile);
  };
  // Descriptors belong to the process: any that the thread does not close stay open after it has ended.
  const end = (): void => {
    worker?.tell({ type: 'drain', graceMs: 0 });
    for (let turns = 0; turns < 100 && driver.ledger().sockets > 0; turns++) driver.turn(10);
    driver.destroy();
    process.exit();
  };
  turnForAWhile();
}
