/**
 * The settings of TLS handshakes, for both engines: PEM and plain values, checked when they were loaded, so that a worker can trust them.
 *
 * A context is immutable. Another one under the same id takes effect for handshakes to come; connections keep the one they began with.
 */

/** Chosen by the control plane; the same in all workers. */
export type TlsContextId = number;

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** A certificate and the key that belongs to it. */
export interface TlsIdentity {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM, PKCS#8, not encrypted. */
  readonly key: string;
}

interface TlsCommon {
  readonly leastVersion: TlsVersion;
  readonly mostVersion: TlsVersion;
  /** OpenSSL cipher list, for TLS 1.2. */
  readonly ciphers: string;
  /** Colon-separated, for TLS 1.3. */
  readonly cipherSuites: string;
  /** Colon-separated key exchange groups, the preferred one first. */
  readonly groups: string;
  /** PEM of the trusted authorities. */
  readonly trust: string;
  /** PEM of revocation lists; '' checks none. With any, every certificate of a chain must be covered by one. */
  readonly crls: string;
}

export interface TlsServerContext extends TlsCommon {
  readonly role: 'server';
  readonly identity: TlsIdentity;
  /** DER of an OCSP response to staple; null for none. */
  readonly staple: Uint8Array | null;
  /** ALPN, by preference; empty: the extension is ignored. */
  readonly protocols: readonly string[];
  /** Whether a client none of whose protocols is among them is refused (no_application_protocol), not served without one. */
  readonly refuseOtherProtocols: boolean;
  readonly clientAuth: 'none' | 'optional' | 'required';
  /**
   * Session id context, 32 bytes: a digest of identity, client-auth policy, trust and revocation lists. A session made under another
   * one is not resumed, whatever its ticket says.
   */
  readonly binding: Uint8Array;
  /**
   * Keys of session tickets, 80 bytes each: 16 name, 32 HMAC-SHA-256, 32 AES-256. The first one encrypts, all decrypt; a ticket of an
   * older key is renewed. Empty: no tickets.
   */
  readonly ticketKeys: readonly Uint8Array[];
  /** How long a session can be resumed. */
  readonly sessionSecs: number;
}

export interface TlsClientContext extends TlsCommon {
  readonly role: 'client';
  /** Shown when the server asks for a certificate. */
  readonly identity: TlsIdentity | null;
  /** ALPN, by preference; empty offers none. */
  readonly protocols: readonly string[];
  /** False accepts any certificate. */
  readonly verify: boolean;
  /** Whether sessions are kept and resumed. */
  readonly resume: boolean;
}

export type TlsContext = TlsServerContext | TlsClientContext;
