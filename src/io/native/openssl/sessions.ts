/**
 * Sessions a client may resume, of one context, by peer.
 *
 * The newest is used first. One of TLS 1.3 is used once, so that an observer cannot tell that two connections belong together
 * (RFC 8446 Appendix C.4); one of TLS 1.2 until there is a newer one. The peers least recently connected to are forgotten first.
 */
import { openssl } from './library.ts';

const tls13 = 0x304;
const mostSessions = 1024;
/** Servers give two for a full handshake, and connections begin side by side. */
const mostOfPeer = 4;

export class ClientSessions {
  /** Oldest first, in order of use. */
  readonly #peers = new Map<string, bigint[]>();
  #count = 0;
  #isClosed = false;

  /** Takes the session over. @returns false when it is not wanted, and remains the caller's */
  keep(peer: string, session: bigint): boolean {
    if (this.#isClosed) return false;
    const sessions = this.#peers.get(peer) ?? [];
    const most = openssl.SSL_SESSION_get_protocol_version(session) === tls13 ? mostOfPeer : 1;
    while (sessions.length >= most) this.#free(sessions.shift() as bigint);
    sessions.push(session);
    this.#count++;
    this.#peers.delete(peer);
    this.#peers.set(peer, sessions);
    while (this.#count > mostSessions) this.#forgetOldest();
    return true;
  }

  /** Lets a connection begin with the newest session there is for the peer. */
  resume(peer: string, ssl: bigint): void {
    const sessions = this.#peers.get(peer);
    if (!sessions) return;
    const session = sessions[sessions.length - 1];
    openssl.SSL_set_session(ssl, session);
    this.#peers.delete(peer);
    if (openssl.SSL_SESSION_get_protocol_version(session) === tls13) {
      sessions.pop();
      this.#free(session);
    }
    if (sessions.length > 0) this.#peers.set(peer, sessions);
  }

  /** Frees all of them, and keeps none any more. */
  close(): void {
    this.#isClosed = true;
    while (this.#count > 0) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [oldest] = this.#peers;
    this.#peers.delete(oldest[0]);
    for (const session of oldest[1]) this.#free(session);
  }

  #free(session: bigint): void {
    this.#count--;
    openssl.SSL_SESSION_free(session);
  }
}
