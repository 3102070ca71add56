/** The identity of a peer, from its verified certificate. */
import { X509Certificate } from 'node:crypto';

export interface PeerIdentity {
  /** One line, `CN=web,O=Acme`; '' when the certificate has none. */
  readonly subject: string;
  readonly commonName: string;
  /** Subject alternative names: URIs, then DNS names, then e-mail addresses, then IP addresses. */
  readonly names: readonly string[];
}

/** @param certificate DER */
export function peerIdentity(certificate: Uint8Array): PeerIdentity {
  const x509 = new X509Certificate(certificate);
  const { subject = '', subjectAltName = '' } = x509;
  // Of more than one, the last.
  const commonName = [x509.toLegacyObject().subject?.CN ?? ''].flat().at(-1) ?? '';
  // Node has one attribute, or several joined by ` + `, on each line, and escapes a line end in a value.
  const attributes = subject.split('\n').filter(line => line !== '');
  return { subject: attributes.join(','), commonName, names: sorted(alternatives(subjectAltName)) };
}

const kinds = ['URI', 'DNS', 'email', 'IP Address'] as const;

interface Alternative {
  readonly kind: string;
  readonly name: string;
}

/** Node's text: `DNS:a.b, URI:"spiffe://x/\u002cy"`; what could be misread is a JSON string. */
function alternatives(text: string): Alternative[] {
  const found = text.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...found].map(([, kind, value]) => ({ kind, name: value.startsWith('"') ? JSON.parse(value) : value }));
}

const sorted = (all: readonly Alternative[]): string[] =>
  kinds.flatMap(kind => all.filter(one => one.kind === kind).map(({ name }) => name));
