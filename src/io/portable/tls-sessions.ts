/** Sessions of clients, by whom they are with: so many peers, those longest unused forgotten first. */
import type { TlsContextId } from '../tls/context.ts';
import type { TlsPeer } from '../tls/engine.ts';

const mostPeers = 1024;
/** OpenSSL's servers give two at a time. */
const mostPerPeer = 4;

export interface ClientSession {
  readonly ticket: Buffer;
  /** DER of the certificate that was verified when the session began: node has it only then. */
  readonly certificate: Uint8Array | null;
  /** Not to be taken again: one ticket used twice, where it is not encrypted, tells that connections are of one client. */
  readonly isForOnce: boolean;
}

export class TlsSessions {
  /** Within each context in the order of use. */
  readonly #contexts = new Map<TlsContextId, Map<string, ClientSession[]>>();

  add(context: TlsContextId, peer: TlsPeer, session: ClientSession): void {
    const peers = this.#contexts.get(context) ?? new Map<string, ClientSession[]>();
    this.#contexts.set(context, peers);
    const name = nameOf(peer);
    const known = session.isForOnce ? (peers.get(name) ?? []) : [];
    peers.delete(name);
    peers.set(name, [...known, session].slice(-mostPerPeer));
    if (peers.size > mostPeers) peers.delete(peers.keys().next().value as string);
  }

  /** The latest one. */
  take(context: TlsContextId, peer: TlsPeer): ClientSession | undefined {
    const known = this.#contexts.get(context)?.get(nameOf(peer));
    const session = known?.at(-1);
    if (session?.isForOnce) known?.pop();
    return session;
  }

  forget(context: TlsContextId): void {
    this.#contexts.delete(context);
  }
}

const nameOf = ({ serverName, endpoint }: TlsPeer): string => `${serverName} ${endpoint}`;
