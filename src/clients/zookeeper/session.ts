/**
 * One session with a ZooKeeper server, over one connection: it ends with it and is never resumed. To continue, the caller opens
 * another one and looks at everything anew, so a lost connection and an expired session are the same thing here.
 *
 * Answers come in the order of the requests, and each tells of a state no older than the one before. That of a request is taken
 * before anything that was sent after it is looked at, watch events included: what is concluded from it is true at that moment.
 *
 * Why it is not a library: the one there is (node-zookeeper-client) ends the process on an answer it does not know, such as the
 * one after a session has moved between servers; waits without limit for a server that does not respond; leaves its socket open when it is
 * closed then; and cannot `sync`.
 */
import net, { isIPv6 } from 'node:net';
import { reasonOf } from '../../errors.ts';
import { controlLookup } from '../dns/control-lookup.ts';
import { Frames, JuteReader, JuteWriter } from './jute.ts';
import {
  authenticate,
  closeSession,
  codes,
  connect,
  ping,
  Refusal,
  type Request,
  readConnected,
  readEvent,
  type WatchEvent,
} from './messages.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface AuthInfo {
  readonly scheme: string;
  readonly auth: string;
}

export interface SessionOptions {
  readonly server: Server;
  readonly timeoutMs: number;
  /** How long the whole of the opening may take. */
  readonly openingMs: number;
  readonly auth: AuthInfo | undefined;
  /** Gives it up while it is being opened. */
  readonly signal: AbortSignal;
}

export interface SessionListener {
  event(event: WatchEvent): void;
  ended(reason: Error): void;
}

export interface Answer {
  /** The last transaction that the server had applied. */
  readonly zxid: bigint;
  readonly body: JuteReader;
}

/** The session ended before the answer came. */
export class SessionEnded extends Error {
  /** Whether the server may have done what was asked. */
  readonly wasSent: boolean;

  constructor(reason: Error, wasSent: boolean) {
    super(reason.message, { cause: reason });
    this.wasSent = wasSent;
  }
}

interface Asked {
  readonly request: Request;
  readonly take: (answer: Answer) => void;
  readonly refused: (refusal: Refusal, zxid: bigint) => void;
  readonly fail: (error: Error) => void;
  sentAt: number;
}

const atOnce = 100;
/** No server sends more: that would be the names of some hundred thousand znodes. */
const longestAnswer = 16 * 1024 * 1024;
/** The default limit of servers (jute.maxbuffer). They close the connection for anything longer. */
export const longestRequest = 0xfffff;
/** Of a request, before its body. */
export const headerLength = 8;
/** A server that does not respond for so long is given up, however long the session timeout is. */
const longestSilenceMs = 8000;
const closingMs = 1000;
/** They count the requests; those below 0 have a meaning of their own. */
const highestXid = 0x7fffffff;
const xids = { event: -1, ping: -2, authentication: -4 } as const;

export const showServer = ({ host, port }: Server): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`;

export class ZooKeeperSession {
  readonly #options: SessionOptions;
  readonly #opened: () => void;
  readonly #server: string;
  readonly #socket: net.Socket;
  readonly #frames = new Frames(longestAnswer);
  readonly #listeners = new Set<SessionListener>();
  /** In the order of their xids. */
  readonly #sent: Asked[] = [];
  readonly #waiting: Asked[] = [];
  #xid = 0;
  #heardAt = performance.now();
  #silenceMs = longestSilenceMs;
  #watchdog: NodeJS.Timeout | undefined;
  /** The first message has been answered. */
  #isGranted = false;
  #end: Error | undefined;

  /** Rejects if the server cannot be reached or refuses the session. */
  static open(options: SessionOptions): Promise<ZooKeeperSession> {
    const { promise, resolve, reject } = Promise.withResolvers<ZooKeeperSession>();
    const session = new ZooKeeperSession(options, () => resolve(session));
    const remove = session.listen({ event() {}, ended: reject });
    const given = () => session.#close(new Error('it is closed'));
    options.signal.addEventListener('abort', given, { once: true });
    const timer = setTimeout(() => {
      session.#close(new Error(`${session.#server} has not opened a session in ${options.openingMs} ms`));
    }, options.openingMs);
    return promise.finally(() => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', given);
      remove();
    });
  }

  private constructor(options: SessionOptions, opened: () => void) {
    this.#options = options;
    this.#opened = opened;
    this.#server = showServer(options.server);
    this.#socket = net.connect({ ...options.server, noDelay: true, lookup: controlLookup() });
    this.#socket.once('connect', () => this.#write(connect(options.timeoutMs)));
    this.#socket.on('data', (piece: Buffer) => this.#heard(piece));
    this.#socket.on('error', error => this.#close(new Error(`${this.#server}: ${reasonOf(error)}`, { cause: error })));
    this.#socket.on('close', () => this.#close(new Error(`${this.#server} has closed the connection`)));
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** @returns a function that stops it. Listeners added after the end are not called. */
  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks, at most a hundred at once, the others after them.
   *
   * @param take reads the answer as soon as it is here
   * @param refused maps a refusal to a result; throws those it does not know
   * @returns what they returned. Rejects with a {@link Refusal} or with {@link SessionEnded}.
   */
  ask<T>(
    request: Request,
    take: (answer: Answer) => T,
    refused: (refusal: Refusal, zxid: bigint) => T = thrown,
  ): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(new SessionEnded(this.#end, false));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({
      request,
      take: answer => resolve(take(answer)),
      refused: (refusal, zxid) => {
        try {
          resolve(refused(refusal, zxid));
        } catch (error) {
          if (error !== refusal) throw error;
          reject(refusal);
        }
      },
      fail: reject,
      sentAt: 0,
    });
    this.#send();
    return promise;
  }

  /** Takes leave of the server, which need not wait for the session to expire then. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#write(framed(this.#nextXid(), closeSession.type, closeSession.body));
    const timer = setTimeout(() => this.#socket.destroy(), closingMs);
    const gone = new Promise<void>(resolve => this.#socket.once('close', () => resolve()));
    this.#ended(new Error('the session is closed'));
    this.#socket.end();
    await gone;
    clearTimeout(timer);
  }

  #send(): void {
    while (this.#sent.length < atOnce && this.#waiting.length > 0) {
      const asked = this.#waiting.shift()!;
      asked.sentAt = performance.now();
      this.#sent.push(asked);
      this.#write(framed(this.#nextXid(), asked.request.type, asked.request.body));
    }
  }

  #nextXid(): number {
    this.#xid = (this.#xid + 1) & highestXid;
    return this.#xid;
  }

  #heard(piece: Buffer): void {
    this.#heardAt = performance.now();
    try {
      for (const frame of this.#frames.take(piece)) {
        if (this.#end !== undefined) return;
        if (this.#isGranted) this.#take(frame);
        else this.#begin(frame);
      }
    } catch (error) {
      const reason = `${this.#server} sent what is no answer: ${reasonOf(error)}`;
      this.#close(error instanceof Refusal ? error : new Error(reason, { cause: error }));
    }
  }

  #begin(frame: Buffer): void {
    const { timeoutMs } = readConnected(new JuteReader(frame));
    // Only told to those who resume a session.
    if (timeoutMs <= 0) throw new RangeError('a session that has expired');
    this.#isGranted = true;
    this.#watch(timeoutMs);
    const { auth } = this.#options;
    if (auth === undefined) return this.#opened();
    const { type, body } = authenticate(auth.scheme, auth.auth);
    this.#write(framed(xids.authentication, type, body));
  }

  #take(frame: Buffer): void {
    const body = new JuteReader(frame);
    const xid = body.int();
    const zxid = body.long();
    const code = body.int();
    if (xid === xids.ping) return;
    if (xid === xids.event) {
      const event = readEvent(body);
      for (const listener of [...this.#listeners]) listener.event(event);
      return;
    }
    if (xid === xids.authentication) {
      if (code !== 0) throw new Refusal(codes.authFailed);
      return this.#opened();
    }
    const [asked] = this.#sent;
    if (asked === undefined) throw new RangeError('nothing was asked');
    const expected = (this.#xid - this.#sent.length + 1) & highestXid;
    if (xid !== expected) throw new RangeError('something else was asked');
    if (code !== 0) asked.refused(new Refusal(code), zxid);
    else asked.take({ zxid, body });
    this.#sent.shift();
    this.#send();
  }

  /** Keeps the session alive, and notices when the server does not answer. */
  #watch(grantedMs: number): void {
    this.#silenceMs = Math.min(longestSilenceMs, (grantedMs * 2) / 3);
    this.#watchdog = setInterval(() => {
      const now = performance.now();
      const since = Math.min(this.#heardAt, this.#sent[0]?.sentAt ?? now);
      if (now - since > this.#silenceMs)
        this.#close(new Error(`${this.#server} has been silent for ${Math.round(now - since)} ms`));
      else this.#write(framed(xids.ping, ping.type, ping.body));
    }, this.#silenceMs / 2);
  }

  #write(message: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeInt32BE(message.length);
    this.#socket.write(Buffer.concat([length, message]));
  }

  #close(reason: Error): void {
    this.#socket.destroy();
    this.#ended(reason);
  }

  #ended(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    clearInterval(this.#watchdog);
    for (const { fail } of this.#sent.splice(0)) fail(new SessionEnded(reason, true));
    for (const { fail } of this.#waiting.splice(0)) fail(new SessionEnded(reason, false));
    for (const listener of [...this.#listeners]) listener.ended(reason);
  }
}

function thrown(refusal: Refusal): never {
  throw refusal;
}

const framed = (xid: number, type: number, body: Buffer): Buffer =>
  Buffer.concat([new JuteWriter().int(xid).int(type).written(), body]);
