/**
 * The load of the latency, scaling and memory rows, a child process of the benchmark: opens connections to a redis-server
 * behind a proxy, with TLS when it is given an authority to trust, sees one answer on each, says `ready`, and on
 * `{ rate, seconds }` asks at that fixed rate in turn over all connections.
 *
 * Open loop: request i is due at start + i / rate, whatever became of those before, and its latency counts from then, so a
 * stall costs every request it delays (no coordinated omission). It polls without sleeping, because timers of a
 * millisecond would be most of what is measured.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { percentileOf } from './statistics.ts';
import { checkAgreement, clientOptions } from './tls-agreement.ts';

export interface Order {
  readonly rate: number;
  readonly seconds: number;
}

export interface RateResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

const request = Buffer.from('*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n');
/** The key is not there. */
const answer = '$-1\r\n';
/** Opened at the same time: fewer than any queue of a listener holds. */
const openAtOnce = 100;

class Connection {
  readonly socket: net.Socket;
  /** When the requests on the way were due, oldest first. */
  readonly due: number[] = [];
  /** Told how many answers came together. */
  answered: (answers: number) => void = () => {};
  /** Bytes of an answer that is not complete. */
  #partial = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      const bytes = this.#partial + chunk.length;
      this.#partial = bytes % answer.length;
      this.answered((bytes - this.#partial) / answer.length);
    });
  }
}

type Connect = () => Promise<net.Socket>;

function connector(port: number, authorityFile: string | undefined): Connect {
  if (authorityFile === undefined) {
    return async () => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    };
  }
  const options = clientOptions(port, authorityFile);
  return async () => {
    const socket = tls.connect(options);
    await once(socket, 'secureConnect');
    checkAgreement(socket, { resumed: false });
    socket.setNoDelay();
    return socket;
  };
}

async function open(connect: Connect): Promise<Connection> {
  const socket = await connect();
  socket.write(request);
  const [first] = (await once(socket, 'data')) as [Buffer];
  if (first.toString() !== answer) throw new Error(`an unexpected answer: ${first}`);
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('a connection was closed')));
  return new Connection(socket);
}

async function openAll(connect: Connect, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const batch = Array.from({ length: Math.min(openAtOnce, count - connections.length) }, () => open(connect));
    connections.push(...(await Promise.all(batch)));
  }
  return connections;
}

function load(connections: readonly Connection[], { rate, seconds }: Order): Promise<RateResult> {
  const total = Math.round(rate * seconds);
  const latencies = new Float64Array(total);
  const gap = 1000 / rate;
  const { promise, resolve } = Promise.withResolvers<RateResult>();
  let sent = 0;
  let received = 0;
  const start = performance.now();
  for (const connection of connections) {
    connection.answered = answers => {
      const now = performance.now();
      for (let n = answers; n > 0; n--) latencies[received++] = now - (connection.due.shift() as number);
      if (received === total) resolve(resultOf(latencies, now - start));
    };
  }
  const turn = (): void => {
    const dueSoFar = Math.min(total, Math.floor((performance.now() - start) / gap) + 1);
    for (; sent < dueSoFar; sent++) {
      const connection = connections[sent % connections.length] as Connection;
      connection.due.push(start + sent * gap);
      connection.socket.write(request);
    }
    if (received < total) setImmediate(turn);
  };
  turn();
  return promise;
}

function resultOf(latencies: Float64Array, elapsedMs: number): RateResult {
  latencies.sort();
  return {
    requests: latencies.length,
    seconds: elapsedMs / 1000,
    p50Ms: percentileOf(latencies, 0.5),
    p99Ms: percentileOf(latencies, 0.99),
    p999Ms: percentileOf(latencies, 0.999),
    maxMs: latencies[latencies.length - 1] as number,
  };
}

function fail(error: unknown): never {
  console.error(`rate-client: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

const send = (message: unknown): void => void process.send?.(message);

async function main(port: number, count: number, authorityFile: string | undefined): Promise<void> {
  const connections = await openAll(connector(port, authorityFile), count);
  process.on('message', async (order: Order) => send(await load(connections, order)));
  send('ready');
}

process.on('disconnect', () => process.exit(0));
main(Number(process.argv[2]), Number(process.argv[3]), process.argv[4]).catch(fail);
