/**
 * The columns of all sessions of one worker. A session is a row: nothing is allocated per connection until the table grows,
 * which it does in steps, by doubling.
 */
import { type Handle, noHandle } from '../../io/handle.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { Session } from '../context.ts';
import { type EndCode, endCodes, endIndex } from '../end-codes.ts';
import type { Listener } from '../listener.ts';
import type { ListenerSpec } from '../messages.ts';
import type { Branch, Endpoint, Route } from '../route.ts';
import type { ClientHelloBuffer } from './client-hello-buffer.ts';

/** In the order a session passes them: what comes before Relaying has no upstream connection that bytes may go to. */
export const State = {
  Free: 0,
  Peeking: 1,
  Securing: 2,
  Refusing: 3,
  Binding: 4,
  Backoff: 5,
  Connecting: 6,
  SecuringUpstream: 7,
  Relaying: 8,
  HalfClosed: 9,
  Flushing: 10,
  AwaitingAck: 11,
} as const;
export type State = (typeof State)[keyof typeof State];

export const stateNames = Object.keys(State);

/** Bits of {@link SessionTable.flags}. */
export const Flag = {
  /** Reading from that side is off because the other side does not keep up (or is not there yet). */
  clientPaused: 1,
  upstreamPaused: 2,
  /** That side has sent its FIN. */
  clientEnded: 4,
  upstreamEnded: 8,
  /** The connection attempt is the single probe of an ejected endpoint. */
  probing: 16,
  /** It holds one of `maxWaiters` places. */
  queued: 32,
  /** Flushing and AwaitingAck: the side that is left gets a RST, not a FIN. */
  resetLast: 64,
  /** The client has spoken since the upstream last did: it may be waiting for an answer. */
  clientSpokeLast: 128,
  /** Flushing and AwaitingAck: the client has ended its side, or disconnected, since its upstream failed. */
  clientDone: 512,
  /** The client reset the connection while bytes for it were left. */
  clientOwed: 256,
} as const;

const noTries = new Int32Array(0);

export class SessionTable {
  #capacity = 0;
  #top = 0;
  readonly #free: Session[] = [];

  state = new Uint8Array(0);
  flags = new Uint16Array(0);
  client = new Int32Array(0);
  upstream = new Int32Array(0);
  /** Bytes from the client that came before the upstream was there: one chunk at most, the ClientHello whole. */
  heldBuffer = new Int32Array(0);
  heldLength = new Int32Array(0);
  /** Large chunks in a row, from the client and from the upstream. */
  rxRun = new Uint8Array(0);
  txRun = new Uint8Array(0);
  retries = new Uint16Array(0);
  /** Of the last attempt to connect that failed. */
  errno = new Int32Array(0);
  /** Refusing, Flushing and AwaitingAck: 1 + the index of the session's end code in `endCodes`; 0 before. */
  outcome = new Uint8Array(0);
  /** Bytes read from and written to the client. */
  rx = new Float64Array(0);
  tx = new Float64Array(0);
  /** Times in ms of the driver's clock; 0 = not reached. */
  acceptedAt = new Float64Array(0);
  routedAt = new Float64Array(0);
  attemptAt = new Float64Array(0);
  /** When the TLS handshake with the upstream began. */
  securingAt = new Float64Array(0);
  connectedAt = new Float64Array(0);
  /** When bytes last moved: came, or were taken by a peer. */
  activeAt = new Float64Array(0);
  /** Bytes on their way to either side when last looked at, and the {@link activeAt} of that moment. */
  outstanding = new Float64Array(0);
  outstandingAt = new Float64Array(0);
  /** When the wait for an upstream connection ends, and when the session's life does. */
  waitUntil = new Float64Array(0);
  liveUntil = new Float64Array(0);

  readonly listener: (Listener | null)[] = [];
  /** Settings and route of the session: those of its listener when it was accepted. A reload does not change them. */
  readonly spec: (ListenerSpec | null)[] = [];
  /** Null while it is not known where a client wants to go. */
  readonly route: (Route | null)[] = [];
  /** Of the last attempt, also after it has failed. */
  readonly branch: (Branch | null)[] = [];
  readonly endpoint: (Endpoint | null)[] = [];
  /** Endpoint slots this session has failed on; made only when the first attempt fails. */
  readonly tried: Int32Array[] = [];
  /** Peeking: what has come of the ClientHello. */
  readonly hello: (ClientHelloBuffer | null)[] = [];
  /** The server it names; empty if the proxy does not read it, or the client names none. */
  readonly serverName: string[] = [];
  /** The name it is routed by, if the client gives one. */
  readonly name: string[] = [];
  /** The TLS parameters agreed on with either side. */
  readonly clientTls: (TlsDetails | null)[] = [];
  readonly upstreamTls: (TlsDetails | null)[] = [];
  /** Why the last attempt failed, where that is more than an errno says. */
  readonly upstreamTrouble: string[] = [];
  /** Why the session ended, where that is more than the code of the end says. */
  readonly why: string[] = [];
  /** `ip:port` of the client, kept only while connections are recorded. */
  readonly peer: string[] = [];

  get size(): number {
    return this.#top - this.#free.length;
  }

  take(): Session {
    const free = this.#free.pop();
    const session = free ?? this.#top++;
    if (session === this.#capacity) this.#grow();
    this.flags[session] = 0;
    this.client[session] = noHandle;
    this.upstream[session] = noHandle;
    this.heldBuffer[session] = -1;
    this.rxRun[session] = 0;
    this.txRun[session] = 0;
    this.retries[session] = 0;
    this.errno[session] = 0;
    this.outcome[session] = 0;
    this.rx[session] = 0;
    this.tx[session] = 0;
    this.routedAt[session] = 0;
    this.connectedAt[session] = 0;
    this.outstandingAt[session] = -1;
    this.tried[session] = noTries;
    this.hello[session] = null;
    this.serverName[session] = '';
    this.name[session] = '';
    this.clientTls[session] = null;
    this.upstreamTls[session] = null;
    this.upstreamTrouble[session] = '';
    this.why[session] = '';
    this.peer[session] = '';
    return session;
  }

  release(session: Session): void {
    this.state[session] = State.Free;
    this.listener[session] = null;
    this.spec[session] = null;
    this.route[session] = null;
    this.branch[session] = null;
    this.endpoint[session] = null;
    this.tried[session] = noTries;
    this.hello[session] = null;
    this.serverName[session] = '';
    this.name[session] = '';
    this.clientTls[session] = null;
    this.upstreamTls[session] = null;
    this.upstreamTrouble[session] = '';
    this.why[session] = '';
    this.peer[session] = '';
    this.#free.push(session);
  }

  /** All rows in use, for a drain that is over. */
  *live(): Iterable<Session> {
    for (let s = 0; s < this.#top; s++) if (this.state[s] !== State.Free) yield s;
  }

  specOf(session: Session): ListenerSpec {
    return this.spec[session] as ListenerSpec;
  }

  /** The first failure is the cause of the end. A clean end is only clean if everything is flushed, so a later failure replaces it. */
  hasFailed(session: Session): boolean {
    return this.outcome[session] > 1 + endIndex['--'];
  }

  /** The end code that a refusal or a flush has decided on. */
  outcomeOf(session: Session): EndCode {
    return endCodes[this.outcome[session] - 1];
  }

  setOutcome(session: Session, code: EndCode): void {
    this.outcome[session] = 1 + endIndex[code];
  }

  /** Only of a session that has one: see {@link SessionTable.route}. */
  routeOf(session: Session): Route {
    return this.route[session] as Route;
  }

  clientOf(session: Session): Handle {
    return this.client[session] as Handle;
  }

  upstreamOf(session: Session): Handle {
    return this.upstream[session] as Handle;
  }

  #grow(): void {
    this.#capacity = Math.max(64, this.#capacity * 2);
    const n = this.#capacity;
    this.state = grown(this.state, new Uint8Array(n));
    this.flags = grown(this.flags, new Uint16Array(n));
    this.client = grown(this.client, new Int32Array(n));
    this.upstream = grown(this.upstream, new Int32Array(n));
    this.heldBuffer = grown(this.heldBuffer, new Int32Array(n));
    this.heldLength = grown(this.heldLength, new Int32Array(n));
    this.rxRun = grown(this.rxRun, new Uint8Array(n));
    this.txRun = grown(this.txRun, new Uint8Array(n));
    this.retries = grown(this.retries, new Uint16Array(n));
    this.errno = grown(this.errno, new Int32Array(n));
    this.outcome = grown(this.outcome, new Uint8Array(n));
    this.rx = grown(this.rx, new Float64Array(n));
    this.tx = grown(this.tx, new Float64Array(n));
    this.acceptedAt = grown(this.acceptedAt, new Float64Array(n));
    this.routedAt = grown(this.routedAt, new Float64Array(n));
    this.securingAt = grown(this.securingAt, new Float64Array(n));
    this.attemptAt = grown(this.attemptAt, new Float64Array(n));
    this.connectedAt = grown(this.connectedAt, new Float64Array(n));
    this.outstanding = grown(this.outstanding, new Float64Array(n));
    this.outstandingAt = grown(this.outstandingAt, new Float64Array(n));
    this.activeAt = grown(this.activeAt, new Float64Array(n));
    this.waitUntil = grown(this.waitUntil, new Float64Array(n));
    this.liveUntil = grown(this.liveUntil, new Float64Array(n));
  }
}

function grown<T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
