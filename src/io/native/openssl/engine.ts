/** TLS for the native drivers, by the OpenSSL inside the node binary: one engine for each thread. */
import { isIP } from 'node:net';
import type { ClientHello } from '../../../wire/client-hello.ts';
import type { Handle } from '../../handle.ts';
import type { TlsContext, TlsContextId } from '../../tls/context.ts';
import type { TlsEngine, TlsPeer, TlsSink, TlsStream } from '../../tls/engine.ts';
import type { BufferPool } from '../base/buffer-pool.ts';
import { OpensslBios } from './bios.ts';
import { OpensslCallbacks } from './callbacks.ts';
import { OpensslContext } from './context.ts';
import { opensslError } from './errors.ts';
import { nullPointer, openssl } from './library.ts';
import { OpensslStream, type StreamSetting } from './stream.ts';
import { TrustStores } from './trust.ts';

const setServerName = 55;
const noPartialWildcards = 0x4;
const neverCheckSubject = 0x20;

export class OpensslEngine implements TlsEngine {
  readonly #setting: StreamSetting;
  readonly #stores = new TrustStores();
  readonly #contexts = new Map<TlsContextId, OpensslContext>();

  constructor(sink: TlsSink, pool: BufferPool) {
    this.#setting = { sink, pool, bios: new OpensslBios(pool), callbacks: new OpensslCallbacks() };
  }

  define(id: TlsContextId, context: TlsContext): void {
    const defined = new OpensslContext(context, this.#stores, this.#setting.callbacks);
    this.forget(id);
    this.#contexts.set(id, defined);
  }

  forget(id: TlsContextId): void {
    this.#contexts.get(id)?.close();
    this.#contexts.delete(id);
  }

  accept(socket: Handle, context: TlsContextId, _hello: ClientHello): TlsStream {
    const defined = this.#context(context);
    const ssl = this.#open(defined);
    openssl.SSL_set_accept_state(ssl);
    return new OpensslStream(socket, defined, '', ssl, this.#setting);
  }

  connect(socket: Handle, context: TlsContextId, { serverName, endpoint }: TlsPeer): TlsStream {
    const defined = this.#context(context);
    const ssl = this.#open(defined);
    openssl.SSL_set_connect_state(ssl);
    const isAddress = isIP(serverName) !== 0;
    if (!isAddress) openssl.SSL_ctrl(ssl, setServerName, 0n, serverName);
    if (defined.verifies && !lookFor(ssl, serverName, isAddress)) {
      openssl.SSL_free(ssl);
      throw opensslError(`server name '${serverName}'`);
    }
    const peer = `${serverName} ${endpoint}`;
    defined.sessions?.resume(peer, ssl);
    return new OpensslStream(socket, defined, peer, ssl, this.#setting);
  }

  #context(id: TlsContextId): OpensslContext {
    const context = this.#contexts.get(id);
    if (!context) throw new Error(`no TLS context ${id}`);
    return context;
  }

  #open(context: OpensslContext): bigint {
    const ssl = openssl.SSL_new(context.pointer);
    if (ssl === nullPointer) throw opensslError('connection');
    this.#setting.bios.attach(ssl);
    return ssl;
  }
}

/** The peer's certificate must be for this name. @returns false if it is not a valid name: OpenSSL would accept any name, or a suffix */
function lookFor(ssl: bigint, serverName: string, isAddress: boolean): boolean {
  if (isAddress) return openssl.X509_VERIFY_PARAM_set1_ip_asc(openssl.SSL_get0_param(ssl), serverName) === 1;
  if (serverName === '' || serverName.startsWith('.')) return false;
  openssl.SSL_set_hostflags(ssl, noPartialWildcards | neverCheckSubject);
  return openssl.SSL_set1_host(ssl, serverName) === 1;
}
