/** `tls` of one of namerd's interfaces: its schema, its check, and the options of node:tls that its files make, live. */
import { createSecureContext, type TlsOptions } from 'node:tls';
import { z } from 'zod';
import type { ValuePath } from '../config/document.ts';
import { filePath } from '../config/file-fields.ts';
import type { Problem } from '../config/problem.ts';
import { reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CertificateMonitor } from './certificate-monitor.ts';
import { Credentials } from './credentials.ts';
import type { LoadedIdentity } from './identity-files.ts';
import type { LiveFiles } from './live-files.ts';
import { Reading } from './reading.ts';
import type { TrustAnchors } from './trust-files.ts';

const file = (what: string) => filePath('content', 'the path of a PEM file').meta({ description: what });

export const interfaceTls = z
  .strictObject({
    certPath: file('PEM file with the certificate'),
    keyPath: file('PEM file with its private key'),
    intermediateCertsPath: file('PEM file with the chain above the certificate').optional(),
    caCertPath: file('PEM file with the authorities that certificates of clients are checked against').optional(),
    requireClientAuth: z
      .boolean()
      .default(false)
      .meta({ description: 'refuse clients without a certificate of one of these authorities' }),
    ciphers: z
      .array(z.string())
      .min(1)
      .optional()
      .meta({ description: 'cipher suites to offer, by the names of OpenSSL' }),
  })
  .refine(tls => !tls.requireClientAuth || tls.caCertPath !== undefined, {
    message: 'needs caCertPath: whose certificates are good',
    path: ['requireClientAuth'],
  });

export type InterfaceTlsConfig = z.output<typeof interfaceTls>;

/** Reads the files and tries them together, so that what is wrong stands in the report of the configuration. */
export function checkInterfaceTls(value: unknown, path: ValuePath, complain: (problem: Problem) => void): void {
  const tls = interfaceTls.safeParse(value);
  if (!tls.success) return;
  const reading = new Reading();
  const [cert, key, above, ca] = (['certPath', 'keyPath', 'intermediateCertsPath', 'caCertPath'] as const).map(name => {
    const file = tls.data[name];
    return file === undefined ? undefined : reading.read(file, [name]);
  });
  for (const { place, message } of reading.problems) complain({ path: [...path, ...place], message });
  if (cert === undefined || key === undefined || reading.problems.length > 0) return;
  try {
    const chain = above === undefined ? cert : Buffer.concat([cert, Buffer.from('\n'), above]);
    createSecureContext(serverTlsOptions(tls.data, { cert: chain, key, ca }));
  } catch (error) {
    complain({ path, onKey: true, message: `these files cannot be used together: ${opensslReason(error)}` });
  }
}

/** Without OpenSSL's number and library: `error:05800074:x509 certificate routines::key values mismatch`. */
const opensslReason = (error: unknown): string => reasonOf(error).replace(/^error:[\dA-F]+:[^:]*:[^:]*:/, '');

interface Material {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca?: string | Buffer | undefined;
}

function serverTlsOptions({ requireClientAuth, ciphers }: InterfaceTlsConfig, { cert, key, ca }: Material): TlsOptions {
  return {
    cert,
    key,
    ...(ca !== undefined && { ca }),
    ...(requireClientAuth && { requestCert: true, rejectUnauthorized: true }),
    ...(ciphers && { ciphers: ciphers.join(':') }),
  };
}

const defaultSettleMs = 50;

/** The TLS of an interface, live: its files are followed. */
export class LiveInterfaceTls {
  readonly #config: InterfaceTlsConfig;
  readonly #credentials: Credentials;
  readonly #identity: LiveFiles<LoadedIdentity>;
  readonly #trust: LiveFiles<TrustAnchors> | undefined;
  #unwatch: (() => void) | undefined;
  #changed: (options: TlsOptions) => void = () => {};

  /** @throws LinkerdTcpError TLS_UNUSABLE */
  constructor(config: InterfaceTlsConfig, log: Log, settleMs = defaultSettleMs) {
    const { certPath, keyPath, intermediateCertsPath, caCertPath } = config;
    this.#config = config;
    this.#credentials = new Credentials({ log, settleMs, changed: () => this.#changed(this.options()) });
    try {
      this.#identity = this.#credentials.identity({
        certs: intermediateCertsPath === undefined ? [certPath] : [certPath, intermediateCertsPath],
        privateKey: keyPath,
      });
      this.#trust = caCertPath === undefined ? undefined : this.#credentials.trust([caCertPath]);
    } catch (error) {
      this.close();
      throw error;
    }
    for (const files of [this.#identity, this.#trust]) for (const warning of files?.warnings ?? []) log.warn(warning);
  }

  /** The options that the files make now. */
  options(): TlsOptions {
    const { chain, key } = this.#identity.value.identity;
    return serverTlsOptions(this.#config, { cert: chain, key, ca: this.#trust?.value.pem });
  }

  /** From now on `changed` gets what the files hold after each change. @param user whose certificate it is, for metrics */
  follow(user: string, changed: (options: TlsOptions) => void, certificates?: CertificateMonitor): void {
    this.#changed = changed;
    this.#unwatch = certificates?.watch(user, {
      expiring: () => [...this.#identity.value.expiring, ...(this.#trust?.value.expiring ?? [])],
      notAfter: () => this.#identity.value.notAfter,
    });
  }

  /** Reads the files now. */
  refresh(): void {
    this.#identity.refresh();
    this.#trust?.refresh();
  }

  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#credentials.keepOnly(new Set());
  }
}
