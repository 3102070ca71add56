/**
 * An SSL_CTX made of a {@link TlsContext}, with what callbacks need to know of it.
 *
 * OpenSSL counts who refers to an SSL_CTX: after `close` it lives as long as the last of its connections.
 */
import type { TlsClientContext, TlsContext, TlsIdentity, TlsServerContext, TlsVersion } from '../../tls/context.ts';
import { copyToNative, type NativeMemory } from '../kernel/memory.ts';
import type { CallerContext, OpensslCallbacks } from './callbacks.ts';
import { opensslError } from './errors.ts';
import { bytesAt, nullPointer, openssl } from './library.ts';
import { ClientSessions } from './sessions.ts';
import { TicketKeys } from './tickets.ts';
import { forEachCertificate, type TrustStore, type TrustStores, withPrivateKey } from './trust.ts';

const Control = {
  mode: 33,
  sessionCacheMode: 44,
  statusCallback: 63,
  chainCert: 89,
  groups: 92,
  leastVersion: 123,
  mostVersion: 124,
} as const;
const Verify = { none: 0, peer: 1, failWithoutCertificate: 2 } as const;

const versions: Readonly<Record<TlsVersion, bigint>> = { 'TLSv1.2': 0x303n, 'TLSv1.3': 0x304n };
const noTicket = 1n << 14n;
const noCompression = 1n << 17n;
const serverPreference = 1n << 22n;
const noRenegotiation = 1n << 30n;
/** Idle connections give their buffers back. */
const releaseBuffers = 0x10n;
const cacheOff = 0n;
/** OpenSSL reports new sessions, and only linkerd-tcp stores them. */
const cacheClientOnly = 0x1n | 0x300n;

export class OpensslContext implements CallerContext {
  readonly pointer: bigint;
  readonly role: TlsContext['role'];
  readonly verifies: boolean;
  readonly protocols: NativeMemory | undefined;
  readonly refusesOtherProtocols: boolean;
  readonly tickets: TicketKeys | undefined;
  readonly sessions: ClientSessions | undefined;
  readonly #staple: Uint8Array | null;
  readonly #stores: TrustStores;
  readonly #store: TrustStore | undefined;

  /** @throws Error saying why the context is unusable */
  constructor(context: TlsContext, stores: TrustStores, callbacks: OpensslCallbacks) {
    this.role = context.role;
    this.verifies = context.role === 'client' ? context.verify : context.clientAuth !== 'none';
    this.protocols = wireProtocols(context.protocols);
    this.refusesOtherProtocols = context.role === 'server' && context.refuseOtherProtocols;
    this.#staple = context.role === 'server' ? context.staple : null;
    this.tickets =
      context.role === 'server' && context.ticketKeys.length > 0 ? new TicketKeys(context.ticketKeys) : undefined;
    this.sessions = context.role === 'client' && context.resume ? new ClientSessions() : undefined;
    this.#stores = stores;
    // Other code leaves its errors there, and they would be mistaken for errors of this call.
    openssl.ERR_clear_error();
    const method = context.role === 'server' ? openssl.TLS_server_method() : openssl.TLS_client_method();
    this.pointer = openssl.SSL_CTX_new(method);
    if (this.pointer === nullPointer) throw opensslError('context');
    try {
      if (this.verifies) {
        this.#store = stores.take(context.trust, context.crls);
        openssl.SSL_CTX_set1_cert_store(this.pointer, this.#store.pointer);
      }
      this.#setCommon(context);
      if (context.role === 'server') this.#setServer(context, callbacks);
      else this.#setClient(context, callbacks);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.sessions?.close();
    if (this.#store) this.#stores.give(this.#store);
    openssl.SSL_CTX_free(this.pointer);
  }

  get stapleBytes(): number {
    return this.#staple?.length ?? 0;
  }

  copyStaple(): bigint {
    if (!this.#staple) return nullPointer;
    const copy = openssl.CRYPTO_malloc(BigInt(this.#staple.length), '', 0);
    if (copy !== nullPointer) bytesAt(copy, this.#staple.length).set(this.#staple);
    return copy;
  }

  #setCommon(context: TlsContext): void {
    const { pointer } = this;
    this.#control(Control.mode, releaseBuffers);
    openssl.SSL_CTX_set_options(pointer, serverPreference | noRenegotiation | noCompression);
    must(this.#control(Control.leastVersion, versions[context.leastVersion]) === 1n, 'versions');
    must(this.#control(Control.mostVersion, versions[context.mostVersion]) === 1n, 'versions');
    must(openssl.SSL_CTX_set_cipher_list(pointer, context.ciphers) === 1, 'ciphers');
    must(openssl.SSL_CTX_set_ciphersuites(pointer, context.cipherSuites) === 1, 'cipher suites');
    must(openssl.SSL_CTX_ctrl(pointer, Control.groups, 0n, context.groups) === 1n, 'groups');
  }

  #setServer(context: TlsServerContext, callbacks: OpensslCallbacks): void {
    const { pointer } = this;
    this.#identify(context.identity);
    this.#control(Control.sessionCacheMode, cacheOff);
    openssl.SSL_CTX_set_timeout(pointer, BigInt(context.sessionSecs));
    const binding = copyToNative(context.binding);
    must(openssl.SSL_CTX_set_session_id_context(pointer, binding.pointer, binding.bytes.length) === 1, 'binding');
    if (this.tickets) {
      must(openssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, callbacks.ticketKey) === 1, 'tickets');
      // OpenSSL would make two; who comes back brings one, and gets another.
      openssl.SSL_CTX_set_num_tickets(pointer, 1n);
    } else {
      openssl.SSL_CTX_set_options(pointer, noTicket);
      openssl.SSL_CTX_set_num_tickets(pointer, 0n);
    }
    if (context.clientAuth !== 'none') {
      forEachCertificate(context.trust, 'trusted certificates', certificate => {
        must(openssl.SSL_CTX_add_client_CA(pointer, certificate) === 1, 'trusted certificates');
      });
      const mode = context.clientAuth === 'required' ? Verify.peer | Verify.failWithoutCertificate : Verify.peer;
      openssl.SSL_CTX_set_verify(pointer, mode, nullPointer);
    }
    if (this.protocols) openssl.SSL_CTX_set_alpn_select_cb(pointer, callbacks.selectProtocol, nullPointer);
    if (context.staple) openssl.SSL_CTX_callback_ctrl(pointer, Control.statusCallback, callbacks.staple);
  }

  #setClient(context: TlsClientContext, callbacks: OpensslCallbacks): void {
    const { pointer, protocols } = this;
    if (context.identity) this.#identify(context.identity);
    openssl.SSL_CTX_set_verify(pointer, context.verify ? Verify.peer : Verify.none, nullPointer);
    // Unlike most functions, this one returns 0 when it is content.
    if (protocols)
      must(openssl.SSL_CTX_set_alpn_protos(pointer, protocols.pointer, protocols.bytes.length) === 0, 'protocols');
    this.#control(Control.sessionCacheMode, context.resume ? cacheClientOnly : cacheOff);
    if (context.resume) openssl.SSL_CTX_sess_set_new_cb(pointer, callbacks.newSession);
    else openssl.SSL_CTX_set_options(pointer, noTicket);
  }

  #identify(identity: TlsIdentity): void {
    const { pointer } = this;
    let count = 0;
    forEachCertificate(identity.chain, 'certificate', certificate => {
      if (count++ === 0) must(openssl.SSL_CTX_use_certificate(pointer, certificate) === 1, 'certificate');
      else must(openssl.SSL_CTX_ctrl(pointer, Control.chainCert, 1n, certificate) === 1n, 'certificate');
    });
    if (count === 0) throw new Error('certificate: there is none');
    withPrivateKey(identity.key, key => must(openssl.SSL_CTX_use_PrivateKey(pointer, key) === 1, 'key'));
    must(openssl.SSL_CTX_check_private_key(pointer) === 1, 'key');
  }

  #control(command: number, value: bigint): bigint {
    return openssl.SSL_CTX_ctrl(this.pointer, command, value, nullPointer);
  }
}

function must(isDone: boolean, subject: string): void {
  if (!isDone) throw opensslError(subject);
}

/** RFC 7301 §3.1: each with its length before it. */
function wireProtocols(protocols: readonly string[]): NativeMemory | undefined {
  if (protocols.length === 0) return undefined;
  return copyToNative(Buffer.concat(protocols.flatMap(name => [Buffer.of(name.length), Buffer.from(name, 'latin1')])));
}
