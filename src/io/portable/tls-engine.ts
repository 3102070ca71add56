/**
 * The TLS engine on node:tls, for every platform that has no native driver.
 *
 * It keeps the contract of `TlsEngine` but for what node does not offer:
 *   - certificates are verified after the handshake, so a peer whose certificate is refused gets no alert with the reason;
 *   - a ticket of an older key is accepted, and renewed with that same key: after that key is removed, the client does a full handshake;
 *   - a server cannot report the group.
 */
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { ClientHello } from '../../wire/client-hello.ts';
import type { Handle } from '../handle.ts';
import type { TlsContext, TlsContextId } from '../tls/context.ts';
import type { TlsBuffers, TlsEngine, TlsPeer, TlsSink, TlsStream } from '../tls/engine.ts';
import { type ClientOptions, clientOptions, type ServerOptions, serverOptions } from './tls-contexts.ts';
import { TlsSessions } from './tls-sessions.ts';
import { NodeTlsStream } from './tls-stream.ts';

export class NodeTlsEngine implements TlsEngine {
  readonly #sink: TlsSink;
  readonly #buffers: TlsBuffers;
  readonly #servers = new Map<TlsContextId, ServerOptions>();
  readonly #clients = new Map<TlsContextId, ClientOptions>();
  readonly #sessions = new TlsSessions();

  constructor(sink: TlsSink, buffers: TlsBuffers) {
    this.#sink = sink;
    this.#buffers = buffers;
  }

  define(id: TlsContextId, context: TlsContext): void {
    if (context.role === 'server') {
      const options = serverOptions(context);
      this.forget(id);
      this.#servers.set(id, options);
    } else {
      const options = clientOptions(context);
      this.forget(id);
      this.#clients.set(id, options);
    }
  }

  forget(id: TlsContextId): void {
    this.#servers.delete(id);
    this.#clients.delete(id);
    this.#sessions.forget(id);
  }

  accept(socket: Handle, id: TlsContextId, hello: ClientHello): TlsStream {
    const options = this.#servers.get(id);
    if (!options) throw new Error(`no TLS context ${id} for servers`);
    const { context, stapler, protocols } = options;
    const stream = new NodeTlsStream(this.#sink, this.#buffers, {
      role: 'server',
      socket,
      certificateOf: server => (context.clientAuth === 'none' ? null : (server.getPeerX509Certificate()?.raw ?? null)),
      open: wire =>
        new tls.TLSSocket(wire, {
          isServer: true,
          secureContext: secureContextFor(options, hello),
          requestCert: context.clientAuth !== 'none',
          rejectUnauthorized: context.clientAuth === 'required',
          ...(isProtocolChosen(options, hello) && { ALPNProtocols: protocols }),
          ...(stapler && { server: stapler }),
        }),
    });
    stream.start();
    return stream;
  }

  connect(socket: Handle, id: TlsContextId, peer: TlsPeer): TlsStream {
    const options = this.#clients.get(id);
    if (!options) throw new Error(`no TLS context ${id} for clients`);
    const { context, secureContext, protocols } = options;
    const { serverName } = peer;
    const session = context.resume ? this.#sessions.take(id, peer) : undefined;
    const certificateOf = (client: tls.TLSSocket): Uint8Array | null => {
      if (!context.verify) return null;
      return (client.isSessionReused() ? session?.certificate : client.getPeerX509Certificate()?.raw) ?? null;
    };
    const open = (wire: Duplex): tls.TLSSocket => {
      const client = tls.connect({
        socket: wire,
        secureContext,
        rejectUnauthorized: context.verify,
        // Whom node takes the session to be with.
        host: serverName,
        ...(isIP(serverName) === 0 && { servername: serverName }),
        checkServerIdentity: (_, certificate) => tls.checkServerIdentity(serverName, certificate),
        ...(protocols.length > 0 && { ALPNProtocols: protocols }),
        ...(session && { session: session.ticket }),
      });
      if (!context.resume) return client;
      return client.on('session', ticket => {
        // A session of a removed context was made under other rules.
        if (this.#clients.get(id) !== options) return;
        const isForOnce = client.getProtocol() === 'TLSv1.3';
        this.#sessions.add(id, peer, { ticket, certificate: certificateOf(client), isForOnce });
      });
    };
    return new NodeTlsStream(this.#sink, this.#buffers, { role: 'client', socket, certificateOf, open });
  }
}

/** The one whose key made the client's ticket. */
function secureContextFor({ secureContexts }: ServerOptions, hello: ClientHello): tls.SecureContext {
  for (const name of hello.ticketNames) {
    const secureContext = secureContexts.get(name);
    if (secureContext) return secureContext;
  }
  return secureContexts.values().next().value as tls.SecureContext;
}

/** Node refuses a client that has no protocol in common as soon as it has a list to choose from. */
function isProtocolChosen({ context, protocols }: ServerOptions, hello: ClientHello): boolean {
  if (protocols.length === 0) return false;
  return context.refuseOtherProtocols || context.protocols.some(name => hello.protocols.includes(name));
}
