/**
 * The driver contract with TLS, as a worker uses it. A socket that is never secured behaves as in driver.ts.
 *
 * A socket is secured at most once, when it was accepted or is connected: then comes `secured`, or `failed`. After that
 *   - `data` and `write` are plaintext; `ended` is the peer's close_notify; `shutdown` sends close_notify, then FIN;
 *   - a FIN without close_notify is `failed`: what came may not be all there was;
 *   - `close` without anything pending sends close_notify first, and waits for it for a moment; `reset` does not;
 *   - `failed` comes when the alert for the peer is sent; `trouble` has the reason.
 */
import type { ClientHello } from '../../wire/client-hello.ts';
import type { BufferId, Driver, DriverEvents } from '../driver.ts';
import type { Handle } from '../handle.ts';
import type { TlsContext, TlsContextId } from './context.ts';
import type { TlsDetails, TlsPeer } from './engine.ts';
import type { TlsTrouble } from './trouble.ts';

export interface SecureEvents extends DriverEvents {
  /** The handshake is done, and the peer is who it must be. */
  secured(socket: Handle, details: TlsDetails): void;
}

export interface SecureDriver extends Driver {
  /**
   * Makes a context known, or another one of the same id, for handshakes to come.
   * @throws Error saying why it is unusable; the one before stays
   */
  defineTls(id: TlsContextId, context: TlsContext): void;
  forgetTls(id: TlsContextId): void;
  hasTls(id: TlsContextId): boolean;
  /**
   * Answers the ClientHello of an accepted socket that is read from; now reading is off until it is turned on again. Takes over the
   * buffer, which has all that was received so far.
   */
  acceptTls(
    socket: Handle,
    context: TlsContextId,
    hello: ClientHello,
    buffer: BufferId,
    offset: number,
    length: number,
  ): void;
  /** Sends a ClientHello on a connected socket. */
  connectTls(socket: Handle, context: TlsContextId, peer: TlsPeer): void;
  /** Why TLS `failed`; null when it did not, and the errno tells all. */
  trouble(socket: Handle): TlsTrouble | null;
}
