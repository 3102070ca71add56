/**
 * Bytes that a peer has not acknowledged, which node:net cannot tell: Linux lists the send queue of every connection in /proc/net.
 *
 * Reading it costs time in proportion to the connections of the machine. So one reading serves all questions for a while, and the
 * pauses between readings keep their share of the time small.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { monotonicNow } from '../clock.ts';

const shortestPauseMs = 50;
/** Of the time that a reading took: at most 5 % is spent reading. */
const pauseFactor = 20;

export class SendQueues {
  readonly #now: () => number;
  #readAt = Number.NEGATIVE_INFINITY;
  #nextAt = Number.NEGATIVE_INFINITY;
  #queues = new Map<string, number>();

  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /**
   * @param wroteAt when the socket was last written to. Until a later reading, the answer is 1: not known to be acknowledged.
   * @returns bytes, 0 for a connection that is over; undefined where the system does not tell
   */
  of({ localAddress, localPort, remoteAddress, remotePort }: Socket, wroteAt: number): number | undefined {
    if (process.platform !== 'linux') return undefined;
    if (localAddress === undefined || remoteAddress === undefined) return 0;
    if (this.#now() >= this.#nextAt) this.#read();
    if (wroteAt >= this.#readAt) return 1;
    return this.#queues.get(`${endOf(localAddress, localPort ?? 0)} ${endOf(remoteAddress, remotePort ?? 0)}`) ?? 0;
  }

  #read(): void {
    this.#readAt = this.#now();
    this.#queues = new Map([...rowsOf('/proc/net/tcp'), ...rowsOf('/proc/net/tcp6')]);
    const now = this.#now();
    this.#nextAt = now + Math.max(shortestPauseMs, pauseFactor * (now - this.#readAt));
  }
}

/**
 * The connections with a send queue: most have none, and a reading may be kept for long.
 *
 * `  0: 0100007F:1F90 0100007F:D431 01 0000000A:00000000 …`: local and remote end, state, queues.
 */
function* rowsOf(file: string): Iterable<readonly [string, number]> {
  for (const line of linesOf(file).slice(1)) {
    const [, local, remote, , queue] = line.trim().split(/\s+/);
    const bytes = Number.parseInt(queue?.slice(0, 8) ?? '', 16);
    if (bytes > 0) yield [`${local} ${remote}`, bytes];
  }
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}

/** As the kernel prints it: 32-bit words in the machine's byte order, which is little-endian on all that Node runs on. */
function endOf(address: string, port: number): string {
  const bytes = address.includes(':') ? bytesOfV6(address) : address.split('.').map(Number);
  let shown = '';
  for (let word = 0; word < bytes.length; word += 4)
    for (let byte = 3; byte >= 0; byte--) shown += (bytes[word + byte] as number).toString(16).padStart(2, '0');
  return `${shown}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}

function bytesOfV6(address: string): number[] {
  const plain = address
    .replace(/%.*$/, '')
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => `${hex(+a * 256 + +b)}:${hex(+c * 256 + +d)}`);
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return all.flatMap(group => [group >> 8, group & 0xff]);
}

const hex = (number: number): string => number.toString(16);
