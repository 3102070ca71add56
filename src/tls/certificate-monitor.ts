/**
 * Tells when certificates expire that control-plane connections show or serve: warnings in the log, and a series for each user.
 *
 * Those of listeners and of clients of the data plane are in control/tls-contexts.ts.
 */
import type { Log } from '../log.ts';
import { endScope } from '../metrics/join-scopes.ts';
import type { Registry } from '../metrics/registry.ts';
import { type Expiring, ExpiryWarnings } from './expiry.ts';

export interface MonitoredCertificates {
  /** Everything in it that expires, now. */
  expiring(): readonly Expiring[];
  /** When the certificate that is shown expires, in milliseconds since the epoch; undefined where none is shown. */
  notAfter(): number | undefined;
}

export interface CertificateMonitor {
  /** @param user e.g. `io.l5d.etcd`. @returns a function that ends it */
  watch(user: string, certificates: MonitoredCertificates): () => void;
}

export const expiryCheckMs = 60_000;

export class CertificateExpiry implements CertificateMonitor {
  readonly #registry: Registry;
  readonly #wallNow: () => number;
  readonly #warnings: ExpiryWarnings;
  readonly #watched = new Set<MonitoredCertificates>();
  readonly #timer: NodeJS.Timeout;

  /** @param wallNow milliseconds since the epoch */
  constructor(registry: Registry, log: Log, wallNow: () => number = Date.now) {
    this.#registry = registry;
    this.#wallNow = wallNow;
    this.#warnings = new ExpiryWarnings(log, wallNow);
    this.#timer = setInterval(() => this.check(), expiryCheckMs).unref();
  }

  watch(user: string, certificates: MonitoredCertificates): () => void {
    const scope = this.#registry.scope({});
    if (certificates.notAfter() !== undefined)
      scope.computed('l5d:tls:control_cert:expiry_seconds', { user }, () =>
        Math.floor(((certificates.notAfter() ?? Number.NaN) - this.#wallNow()) / 1000),
      );
    this.#watched.add(certificates);
    this.check();
    return () => {
      this.#watched.delete(certificates);
      endScope(scope);
    };
  }

  check(): void {
    this.#warnings.check([...this.#watched].flatMap(each => each.expiring()));
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
