/**
 * A scripted TCP peer: it sends, pauses, half-closes, resets or stalls in any order and checks every byte it receives.
 *
 *   await peer.play('send 10k', 'expect 5', 'shutdown', 'expect end');
 *
 *   send N     write N bytes and wait until the kernel has them    stall      stop reading
 *   queue N    write N bytes, do not wait                          resume     read again
 *   expect N   wait for N more bytes                               pause [N]  let N ms pass (2)
 *   expect end the other side has finished, no byte too many       shutdown   finish sending, keep reading
 *   expect reset / expect over (end or reset)                      close, reset
 *
 * Bytes are those of {@link payload}; client and server use different seeds, so an echo of the wrong side is found as well.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { byteCount, firstMismatch, payload } from './payload.ts';
import type { Scope } from './scope.ts';
import { defaultTimeoutMs, within } from './waiting.ts';

export interface PeerOptions {
  /** Seed of the bytes it sends. */
  readonly sends?: number;
  /** Seed of the bytes it expects. */
  readonly expects?: number;
  readonly timeoutMs?: number;
}

/** How the direction towards a peer came to its end; `dropped`: the peer itself let go of the connection first. */
export type Inbound = 'open' | 'end' | 'reset' | 'dropped';

const clientSeed = 1;
const serverSeed = 2;
const writeSize = 64 * 1024;
const resetCodes = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

export class Peer {
  readonly socket: net.Socket;
  sent = 0;
  received = 0;
  inbound: Inbound = 'open';
  /** Whether a reset was noticed, also after a clean end. */
  reset = false;

  readonly #name: string;
  readonly #sends: number;
  readonly #expects: number;
  readonly #timeoutMs: number;
  readonly #digest = createHash('sha1');
  #expected = 0;
  #failure: Error | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #notify = (): void => {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  constructor(
    name: string,
    socket: net.Socket,
    options: Required<Pick<PeerOptions, 'sends' | 'expects'>> & PeerOptions,
  ) {
    this.#name = name;
    this.socket = socket;
    this.#sends = options.sends;
    this.#expects = options.expects;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('finish', this.#notify);
    socket.on('end', () => this.#conclude('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (resetCodes.has(error.code ?? '')) {
        this.reset = true;
        this.#conclude('reset');
      } else {
        this.#failure ??= error;
        this.#notify();
      }
    });
    socket.on('close', () => this.#conclude('dropped'));
    socket.resume();
  }

  get ended(): boolean {
    return this.inbound === 'end';
  }

  /** Digest of all bytes received so far. */
  get digest(): string {
    return this.#digest.copy().digest('hex');
  }

  async play(...steps: readonly string[]): Promise<void> {
    for (const step of steps) await this.#step(step);
  }

  /** Writes without waiting for the other side to make room. */
  queue(bytes: number): void {
    const end = this.sent + bytes;
    while (this.sent < end && !this.socket.destroyed) {
      const length = Math.min(writeSize, end - this.sent);
      this.socket.write(payload(this.#sends, this.sent, length), this.#notify);
      this.sent += length;
    }
  }

  /** Resolves when `total` bytes have come in all; false when the direction was over before. */
  async heard(total: number): Promise<boolean> {
    await this.#wait(() => this.received >= total || this.inbound !== 'open', `${total} bytes`);
    return this.received >= total;
  }

  /** Resolves when the direction towards this peer is over. */
  async over(): Promise<Inbound> {
    await this.#wait(() => this.inbound !== 'open', 'the end');
    return this.inbound;
  }

  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  shutdown(): void {
    this.socket.end();
  }

  /** Lets go of both directions once the kernel has what was written: a FIN, or a reset if bytes were left unread. */
  async close(): Promise<void> {
    await this.#wait(() => this.socket.writableLength === 0 || this.socket.destroyed, 'the kernel to take the bytes');
    this.socket.destroy();
  }

  /** Resets the connection. Node cannot while it is still finishing a shutdown, so that is waited for. */
  async abort(): Promise<void> {
    const { socket } = this;
    await this.#wait(
      () => !socket.writableEnded || socket.writableFinished || socket.destroyed,
      'the shutdown to be done',
    );
    socket.resetAndDestroy();
  }

  async #step(step: string): Promise<void> {
    const [verb, what] = step.split(' ') as [string, string | undefined];
    switch (verb) {
      case 'send':
        this.queue(byteCount(what ?? ''));
        return this.#wait(() => this.socket.writableLength === 0, `the kernel to take "${step}"`);
      case 'queue':
        return this.queue(byteCount(what ?? ''));
      case 'expect':
        return this.#expect(what ?? '');
      case 'pause':
        await delay(Number(what ?? 2));
        return;
      case 'stall':
        return this.stall();
      case 'resume':
        return this.resume();
      case 'shutdown':
        return this.shutdown();
      case 'close':
        return this.close();
      case 'reset':
        return this.abort();
      default:
        throw new TypeError(`${step}: no such step`);
    }
  }

  async #expect(what: string): Promise<void> {
    if (what === 'reset') return this.#wait(() => this.reset, 'a reset');
    if (what === 'over') {
      await this.over();
      return;
    }
    if (what !== 'end') {
      this.#expected += byteCount(what);
      if (await this.heard(this.#expected)) return;
      throw new Error(`${this.#name} expected ${this.#expected} bytes, got ${this.received}, then ${this.inbound}`);
    }
    const inbound = await this.over();
    if (inbound !== 'end') throw new Error(`${this.#name} expected a clean end, got ${inbound}`);
    if (this.received === this.#expected) return;
    throw new Error(`${this.#name} expected ${this.#expected} bytes and the end, got ${this.received}`);
  }

  #take(chunk: Buffer): void {
    const wrong = firstMismatch(this.#expects, this.received, chunk);
    if (wrong >= 0) {
      const offset = this.received + wrong;
      this.#failure ??= new Error(`${this.#name}: byte ${offset} is not the one that was sent there`);
    }
    this.received += chunk.length;
    this.#digest.update(chunk);
    this.#notify();
  }

  #conclude(inbound: Inbound): void {
    if (this.inbound === 'open') this.inbound = inbound;
    this.#notify();
  }

  async #wait(isReached: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + this.#timeoutMs;
    while (!isReached()) {
      if (this.#failure) throw this.#failure;
      const left = Math.max(1, Math.ceil(deadline - performance.now()));
      const seen = `${this.#name} to see ${what} (sent ${this.sent}, received ${this.received}, ${this.inbound})`;
      await within(this.#changed.promise, seen, left);
    }
    if (this.#failure) throw this.#failure;
  }
}

/** Listens on a free port; the connection it accepts first plays, `next` gives the others. */
export class ListeningPeer {
  readonly port: number;
  readonly address: string;
  readonly #server: net.Server;
  readonly #options: PeerOptions;
  readonly #waiting: net.Socket[] = [];
  readonly #takers: ((socket: net.Socket) => void)[] = [];
  #first: Promise<Peer> | undefined;
  /** Connections accepted so far, taken or not. */
  accepted = 0;

  constructor(server: net.Server, options: PeerOptions) {
    const address = server.address() as net.AddressInfo;
    this.port = address.port;
    this.address = `${address.address}:${address.port}`;
    this.#server = server;
    this.#options = options;
    server.on('connection', socket => {
      this.accepted++;
      const taker = this.#takers.shift();
      if (taker) taker(socket);
      else this.#waiting.push(socket);
    });
  }

  /** The next connection; the options override those of the listener. */
  async next(options: PeerOptions = {}): Promise<Peer> {
    const merged = { sends: serverSeed, expects: clientSeed, ...this.#options, ...options };
    return new Peer('server', await this.socket(merged.timeoutMs), merged);
  }

  /** The next connection as it is, for tests that speak something else than the payload. Not yet reading. */
  async socket(timeoutMs = defaultTimeoutMs): Promise<net.Socket> {
    const early = this.#waiting.shift();
    if (early) return early;
    const taken = Promise.withResolvers<net.Socket>();
    this.#takers.push(taken.resolve);
    try {
      return await within(taken.promise, `a connection to ${this.address}`, timeoutMs);
    } catch (error) {
      const index = this.#takers.indexOf(taken.resolve);
      if (index >= 0) this.#takers.splice(index, 1);
      throw error;
    }
  }

  async play(...steps: readonly string[]): Promise<void> {
    this.#first ??= this.next();
    await (await this.#first).play(...steps);
  }

  /** The connection that `play` speaks on. */
  async peer(): Promise<Peer> {
    this.#first ??= this.next();
    return this.#first;
  }

  /** Refuses connections from now on; accepted ones live on. */
  stopListening(): void {
    this.#server.close();
  }
}

export async function listeningPeer(
  t: Scope,
  options: PeerOptions & { readonly host?: string; readonly port?: number } = {},
): Promise<ListeningPeer> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.on('connection', socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => sockets.delete(socket));
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  return new ListeningPeer(server, options);
}

export async function connectPeer(
  t: Scope,
  port: number,
  options: PeerOptions & { readonly host?: string } = {},
): Promise<Peer> {
  const socket = net.connect({ port, host: options.host ?? '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  await within(once(socket, 'connect'), `a connection to port ${port}`, options.timeoutMs);
  return new Peer('client', socket, { sends: clientSeed, expects: serverSeed, ...options });
}
