/** TLS contexts as node:tls wants them. */
import { constants, createPrivateKey, hkdfSync, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { TlsClientContext, TlsContext, TlsIdentity, TlsServerContext } from '../tls/context.ts';

export interface ServerOptions {
  readonly context: TlsServerContext;
  /** By the name of the key that encrypts its tickets, the first key's first; node gives a context no more than one. */
  readonly secureContexts: ReadonlyMap<string, tls.SecureContext>;
  /** Answers who asks for an OCSP response: node asks a server for it, this one never listens. */
  readonly stapler: tls.Server | undefined;
  readonly protocols: Uint8Array;
}

export interface ClientOptions {
  readonly context: TlsClientContext;
  readonly secureContext: tls.SecureContext;
  readonly protocols: Uint8Array;
}

/** @throws Error saying what is unusable */
export function serverOptions(context: TlsServerContext): ServerOptions {
  checkIdentity(context.identity);
  const contextWith = (key: Uint8Array | undefined): tls.SecureContext =>
    tls.createSecureContext({
      ...commonOptions(context),
      ...context.identity,
      cert: context.identity.chain,
      honorCipherOrder: true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (key ? 0 : constants.SSL_OP_NO_TICKET),
      // OpenSSL takes 32 bytes, and node only text.
      sessionIdContext: Buffer.from(hkdfSync('sha256', context.binding, '', 'session id context', 24)).toString(
        'base64',
      ),
      sessionTimeout: context.sessionSecs,
      ...(key && { ticketKeys: nodeTicketKeys(key) }),
    });
  const [first, ...older] = context.ticketKeys;
  return {
    context,
    secureContexts: new Map([
      [first ? ticketName(first) : '', contextWith(first)],
      ...older.map(key => [ticketName(key), contextWith(key)] as const),
    ]),
    stapler: context.staple ? staplerOf(context.staple) : undefined,
    protocols: protocolList(context.protocols),
  };
}

/** @throws Error saying what is unusable */
export function clientOptions(context: TlsClientContext): ClientOptions {
  const { identity } = context;
  if (identity) checkIdentity(identity);
  return {
    context,
    secureContext: tls.createSecureContext({
      ...commonOptions(context),
      ...(identity && { cert: identity.chain, key: identity.key }),
    }),
    protocols: protocolList(context.protocols),
  };
}

/** OpenSSL has a place for each kind of key, so that it finds nothing wrong with those of different kinds. */
function checkIdentity({ chain, key }: TlsIdentity): void {
  if (!new X509Certificate(chain).checkPrivateKey(createPrivateKey(key)))
    throw new Error('the private key is not that of the certificate');
}

function commonOptions(context: TlsContext): tls.SecureContextOptions {
  const { trust, crls, groups, leastVersion, mostVersion } = context;
  return {
    // No list at all would have node trust the authorities it brings with it.
    ca: pemBlocks(trust),
    ...(crls !== '' && { crl: pemBlocks(crls) }),
    ciphers: [context.ciphers, context.cipherSuites].filter(Boolean).join(':'),
    ecdhCurve: groups,
    minVersion: leastVersion,
    maxVersion: mostVersion,
  };
}

/** Node reads only the first of several lists in one text. */
function pemBlocks(text: string): string[] {
  return text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
}

function staplerOf(staple: Uint8Array): tls.Server {
  const server = new tls.Server({ ca: [] });
  server.on('OCSPRequest', (_certificate, _issuer, answer) => answer(null, Buffer.from(staple)));
  return server;
}

const ticketNameBytes = 16;

const ticketName = (key: Uint8Array): string => Buffer.from(key.subarray(0, ticketNameBytes)).toString('latin1');

/** 16 bytes each of name, HMAC and AES key, always the same for the same configured key. */
function nodeTicketKeys(key: Uint8Array): Buffer {
  const secrets = hkdfSync('sha256', key.subarray(ticketNameBytes), '', 'node:tls session tickets', 32);
  return Buffer.concat([key.subarray(0, ticketNameBytes), Buffer.from(secrets)]);
}

/** As in the extension: each with its length before it. */
function protocolList(protocols: readonly string[]): Uint8Array {
  return Buffer.concat(protocols.flatMap(name => [Uint8Array.of(name.length), Buffer.from(name, 'latin1')]));
}
