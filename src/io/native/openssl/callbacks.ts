/**
 * Callbacks that OpenSSL makes in the middle of a call. The stream that made the call is known, so one set serves all streams.
 *
 * None of them throws, and none calls a sink.
 */
import type { NativeMemory } from '../kernel/memory.ts';
import { nullPointer, openssl, registerCallback } from './library.ts';
import type { ClientSessions } from './sessions.ts';
import { TicketAnswer, type TicketKeys } from './tickets.ts';

/** A context, as callbacks see it. */
export interface CallerContext {
  readonly tickets: TicketKeys | undefined;
  /** As ALPN has them; undefined without any. */
  readonly protocols: NativeMemory | undefined;
  readonly refusesOtherProtocols: boolean;
  readonly stapleBytes: number;
  /** @returns a copy of the OCSP response for OpenSSL to free; null without one */
  copyStaple(): bigint;
  /** Whether a peer's certificate, if there is one, has been verified. */
  readonly verifies: boolean;
  /** Undefined where none are kept. */
  readonly sessions: ClientSessions | undefined;
}

/** A stream, as callbacks see it. */
export interface Caller {
  readonly context: CallerContext;
  /** Under which its sessions are kept. */
  readonly peer: string;
  /** The peer has sent a message after the handshake that is no data: a key update, a ticket, a wish to renegotiate. */
  messageReceived(isRenegotiation: boolean): void;
}

const tls13 = 0x304;
const negotiated = 1;
/** Events of the info callback: a message of a handshake, by a server or a client; an alert sent, whose number comes with it. */
const Info = { acceptLoop: 0x2001, connectLoop: 0x1001, alertSent: 0x4008 } as const;
const warningNoRenegotiation = (1 << 8) | 100;
const setOcspResponse = 71;
const Extension = { ok: 0, fatal: 2, notAcknowledged: 3 } as const;

export class OpensslCallbacks {
  /** Set before each call that may read. */
  caller: Caller | undefined;
  readonly ticketKey: bigint;
  readonly selectProtocol: bigint;
  readonly staple: bigint;
  readonly newSession: bigint;
  /** Set for streams whose handshake is done. */
  readonly info: bigint;

  constructor() {
    this.ticketKey = registerCallback(['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'i32'], this.#ticketKey);
    this.selectProtocol = registerCallback(
      ['pointer', 'pointer', 'pointer', 'pointer', 'u32', 'pointer'],
      this.#selectProtocol,
    );
    this.staple = registerCallback(['pointer', 'pointer'], this.#staple);
    this.newSession = registerCallback(['pointer', 'pointer'], this.#newSession);
    this.info = registerCallback(['pointer', 'i32', 'i32'], this.#info);
  }

  readonly #ticketKey = (
    ssl: bigint,
    name: bigint,
    iv: bigint,
    cipher: bigint,
    mac: bigint,
    isEncryption: number,
  ): number => {
    const keys = this.caller?.context.tickets;
    if (!keys) return TicketAnswer.unknown;
    if (isEncryption === 1) return keys.encrypt(name, iv, cipher, mac);
    return keys.decrypt(name, iv, cipher, mac, openssl.SSL_version(ssl) === tls13);
  };

  readonly #selectProtocol = (
    _ssl: bigint,
    out: bigint,
    outLength: bigint,
    offered: bigint,
    offeredLength: number,
  ): number => {
    const context = this.caller?.context;
    const ours = context?.protocols;
    if (!context || !ours) return Extension.notAcknowledged;
    const { pointer, bytes } = ours;
    const result = openssl.SSL_select_next_proto(out, outLength, pointer, bytes.length, offered, offeredLength);
    if (result === negotiated) return Extension.ok;
    return context.refusesOtherProtocols ? Extension.fatal : Extension.notAcknowledged;
  };

  readonly #staple = (ssl: bigint): number => {
    const response = this.caller?.context.copyStaple() ?? nullPointer;
    if (response === nullPointer) return Extension.notAcknowledged;
    const length = this.caller?.context.stapleBytes ?? 0;
    openssl.SSL_ctrl(ssl, setOcspResponse, BigInt(length), response);
    return Extension.ok;
  };

  readonly #info = (_ssl: bigint, event: number, value: number): number => {
    if (event === Info.alertSent && value === warningNoRenegotiation) this.caller?.messageReceived(true);
    else if (event === Info.acceptLoop || event === Info.connectLoop) this.caller?.messageReceived(false);
    return 0;
  };

  /** @returns 1 when this program has taken over the session */
  readonly #newSession = (ssl: bigint, session: bigint): number => {
    const { caller } = this;
    if (!caller?.context.sessions) return 0;
    if (caller.context.verifies && openssl.SSL_get_verify_result(ssl) !== 0n) return 0;
    return caller.context.sessions.keep(caller.peer, session) ? 1 : 0;
  };
}
