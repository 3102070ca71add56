/**
 * Watchers of namerd, thousands in one child process of the benchmark, each an HTTP connection of its own. Says `ready` when each
 * has its first document, and answers orders.
 *
 * Sockets and not an HTTP client, so that the clients take as little as possible of the cores that namerd is measured on. A
 * document is a line that begins with a brace; sizes of chunks and heartbeats are the other lines.
 */
import { once } from 'node:events';
import net from 'node:net';
import { kindOf, nameOf, now, type WatchKind } from './plan.ts';

export type Order =
  /** Watches for `mark` in the documents of these names, `null` for all. Answered at once. */
  | { readonly type: 'expect'; readonly mark: string; readonly names: readonly number[] | null }
  /** Answered when all that was expected has come. */
  | { readonly type: 'arrivals' }
  /** Remembers from now on each port that resolutions tell. Answered at once. */
  | { readonly type: 'record' }
  /** Answered when each resolution of a name has told this port, or after `waitMs`. */
  | { readonly type: 'recorded'; readonly last: readonly number[]; readonly waitMs: number };

export interface Arrivals {
  /** Of each expected document, on the clock of plan.ts. */
  readonly at: readonly number[];
  /** All documents since `expect`. */
  readonly documents: number;
}

export interface Recorded {
  /** Name, port, when: three numbers for each document. */
  readonly told: readonly number[];
  /** Watches that do not know the last port. */
  readonly behind: number;
}

/** Opened at the same time: fewer than any queue of a listener holds. */
const openAtOnce = 100;
const portPattern = /"port":(\d+)/;

interface Watch {
  readonly kind: WatchKind;
  readonly name: number;
  /** The last port that arrived. */
  port: number;
  isAwaited: boolean;
}

const watches: Watch[] = [];
let mark = '';
let awaited = 0;
let arrivals: number[] = [];
let documents = 0;
let told: number[] | undefined;
let last: readonly number[] | undefined;
let behind = 0;
let changed = (): void => {};

const fail = (error: unknown): never => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
};
const send = (message: unknown): void => void process.send?.(message);

function heard(watch: Watch, document: string): void {
  documents++;
  if (watch.isAwaited && document.includes(mark)) {
    watch.isAwaited = false;
    arrivals.push(now());
    if (--awaited === 0) changed();
  }
  if (watch.kind !== 'resolve' || told === undefined) return;
  const wasBehind = watch.port !== last?.[watch.name];
  watch.port = Number(portPattern.exec(document)?.[1] ?? 0);
  told.push(watch.name, watch.port, now());
  if (last === undefined) return;
  behind += Number(watch.port !== last[watch.name]) - Number(wasBehind);
  if (behind === 0) changed();
}

async function open(port: number, index: number): Promise<void> {
  const watch: Watch = { kind: kindOf(index), name: nameOf(index), port: 0, isAwaited: false };
  watches.push(watch);
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  const first = Promise.withResolvers<void>();
  let head = true;
  let rest = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) {
      if (head) {
        if (!line.startsWith('HTTP/1.1 200')) fail(new Error(`an unexpected answer: ${line}`));
        head = false;
      } else if (line.startsWith('{')) {
        heard(watch, line);
        first.resolve();
      }
    }
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('a watch was closed')));
  await once(socket, 'connect');
  const path = encodeURIComponent(`/svc/n${watch.name}`);
  socket.write(`GET /api/1/${watch.kind}/bench?path=${path}&watch=true HTTP/1.1\r\nhost: bench\r\n\r\n`);
  await first.promise;
}

async function main(port: number, from: number, count: number): Promise<void> {
  for (let opened = 0; opened < count; opened += openAtOnce) {
    const batch = Math.min(openAtOnce, count - opened);
    await Promise.all(Array.from({ length: batch }, (_, i) => open(port, from + opened + i)));
  }
  process.on('message', (order: Order) => void obey(order).then(send, fail));
  send('ready');
}

async function obey(order: Order): Promise<unknown> {
  switch (order.type) {
    case 'expect': {
      ({ mark } = order);
      const names = order.names && new Set(order.names);
      for (const watch of watches) watch.isAwaited = names === null || names.has(watch.name);
      awaited = watches.filter(({ isAwaited }) => isAwaited).length;
      arrivals = [];
      documents = 0;
      return awaited;
    }
    case 'arrivals':
      if (awaited > 0) await new Promise<void>(resolve => (changed = resolve));
      return { at: arrivals, documents } satisfies Arrivals;
    case 'record':
      told = [];
      return true;
    case 'recorded': {
      last = order.last;
      behind = watches.filter(({ kind, name, port }) => kind === 'resolve' && port !== last?.[name]).length;
      if (behind > 0) {
        await new Promise<void>(resolve => {
          changed = resolve;
          setTimeout(resolve, order.waitMs);
        });
      }
      return { told: told ?? [], behind } satisfies Recorded;
    }
  }
}

process.on('disconnect', () => process.exit(0));
const [port, from, count] = process.argv.slice(2).map(Number);
main(port, from, count).catch(fail);
