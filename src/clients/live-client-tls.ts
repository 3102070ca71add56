/**
 * The TLS of a client of the control plane, live: its files are followed, and each new connection uses what they hold now.
 *
 * Files that change to something unusable are reported once; the previous content stays in use. The owner closes it.
 */
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CertificateMonitor } from '../tls/certificate-monitor.ts';
import { Credentials } from '../tls/credentials.ts';
import type { LoadedIdentity } from '../tls/identity-files.ts';
import type { LiveFiles } from '../tls/live-files.ts';
import type { TrustAnchors } from '../tls/trust-files.ts';
import { connectionOptions, type TlsConfig, trustFilesOf } from './client-tls.ts';

export interface ClientTlsContext {
  readonly log: Log;
  readonly certificates?: CertificateMonitor | undefined;
  /** How long files must not have changed before they are read again. */
  readonly settleMs?: number;
}

const defaultSettleMs = 50;

/**
 * Undefined where TLS is not wanted.
 *
 * @param user whose TLS it is, for messages and metrics
 * @throws LinkerdTcpError TLS_UNUSABLE
 */
export function liveClientTls(
  tls: TlsConfig | undefined,
  user: string,
  context: ClientTlsContext,
): LiveClientTls | undefined {
  return tls === undefined || tls.enabled === false ? undefined : new LiveClientTls(tls, user, context);
}

export class LiveClientTls {
  readonly #config: TlsConfig;
  readonly #user: string;
  readonly #log: Log;
  readonly #credentials: Credentials;
  readonly #trust: LiveFiles<TrustAnchors> | undefined;
  readonly #identity: LiveFiles<LoadedIdentity> | undefined;
  #unwatch: (() => void) | undefined;
  #options: ConnectionOptions;

  constructor(config: TlsConfig, user: string, { log, certificates, settleMs = defaultSettleMs }: ClientTlsContext) {
    this.#config = config;
    this.#user = user;
    this.#log = log;
    this.#credentials = new Credentials({ log, settleMs, changed: () => this.#changed() });
    try {
      const trusted = trustFilesOf(config);
      this.#trust = trusted && this.#credentials.trust(trusted);
      this.#identity = config.clientAuth && this.#credentials.identity(identityFiles(config.clientAuth));
      this.#options = this.#composed();
    } catch (error) {
      this.#credentials.keepOnly(new Set());
      if (!(error instanceof LinkerdTcpError)) throw error;
      const reason = `the PEM files of ${user}: ${error.details['reason']}`;
      throw new LinkerdTcpError('TLS_UNUSABLE', { reason }, { cause: error });
    }
    for (const files of [this.#trust, this.#identity]) for (const warning of files?.warnings ?? []) log.warn(warning);
    this.#unwatch = certificates?.watch(user, {
      expiring: () => [...(this.#trust?.value.expiring ?? []), ...(this.#identity?.value.expiring ?? [])],
      notAfter: () => this.#identity?.value.notAfter,
    });
  }

  /** The options to connect with now: the same object until something changes. */
  readonly source = (): ConnectionOptions => this.#options;

  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#credentials.keepOnly(new Set());
  }

  #changed(): void {
    try {
      this.#options = this.#composed();
    } catch (error) {
      this.#log.error(`new TLS files of ${this.#user} cannot be used; those read before stay in use`, {
        reason: reasonOf(error),
      });
    }
  }

  #composed(): ConnectionOptions {
    const identity = this.#identity?.value.identity;
    const options = connectionOptions(this.#config, {
      ...(this.#trust && { ca: this.#trust.value.pem }),
      ...(identity && { cert: identity.chain, key: identity.key }),
    });
    try {
      return { ...options, secureContext: createSecureContext(options) };
    } catch (error) {
      const reason = reasonOf(error);
      throw new LinkerdTcpError('TLS_UNUSABLE', { reason }, { cause: error });
    }
  }
}

const identityFiles = ({ certPath, keyPath, intermediateCertsPath }: NonNullable<TlsConfig['clientAuth']>) => ({
  certs: intermediateCertsPath === undefined ? [certPath] : [certPath, intermediateCertsPath],
  privateKey: keyPath,
});
