/**
 * All files that TLS needs, each set once for all its users: those of the configuration in effect and, while it is
 * prepared, those of the next one.
 */
import { LinkerdTcpError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Expiring } from './expiry.ts';
import { filesOf, type IdentityFiles, type LoadedIdentity, readIdentity } from './identity-files.ts';
import { LiveFiles } from './live-files.ts';
import type { Reading } from './reading.ts';
import { readRevocations, readTrust, type TrustAnchors } from './trust-files.ts';

/** The content of files. */
export interface Dated {
  readonly expiring: readonly Expiring[];
}

export interface CredentialsOptions {
  readonly log: Log;
  readonly settleMs: number;
  /** After the files of the set changed for the good. */
  readonly changed: (files: LiveFiles<Dated>) => void;
}

type Kind = 'identity' | 'trust' | 'crls';

export class Credentials {
  readonly #options: CredentialsOptions;
  readonly #sets = new Map<string, LiveFiles<Dated>>();

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** @throws LinkerdTcpError TLS_UNUSABLE */
  identity(files: IdentityFiles): LiveFiles<LoadedIdentity> {
    const what = `the certificate in ${files.certs[0]}`;
    return this.#take('identity', files, filesOf(files), what, reading => readIdentity(files, reading));
  }

  /** @throws LinkerdTcpError TLS_UNUSABLE */
  trust(files: readonly string[]): LiveFiles<TrustAnchors> {
    return this.#take('trust', files, files, `the trusted authorities in ${files.join(', ')}`, reading =>
      readTrust(files, reading),
    );
  }

  /** @throws LinkerdTcpError TLS_UNUSABLE */
  crls(files: readonly string[]): LiveFiles<TrustAnchors> {
    const what = `the revocation lists in ${files.join(', ')}`;
    return this.#take('crls', files, files, what, reading => readRevocations(files, reading));
  }

  /** The others are followed no more. */
  keepOnly(used: ReadonlySet<LiveFiles<Dated>>): void {
    for (const [key, set] of this.#sets) {
      if (used.has(set)) continue;
      set.close();
      this.#sets.delete(key);
    }
  }

  #take<T extends Dated>(
    kind: Kind,
    keys: object,
    files: readonly string[],
    what: string,
    read: (reading: Reading) => T | undefined,
  ): LiveFiles<T> {
    const key = JSON.stringify([kind, keys]);
    // The kind decides the type.
    const known = this.#sets.get(key) as LiveFiles<T> | undefined;
    if (known) return known;
    const { log, settleMs, changed } = this.#options;
    const set = new LiveFiles({ what, files, read, log, settleMs });
    if (set.problems.length > 0)
      throw new LinkerdTcpError('TLS_UNUSABLE', { reason: set.problems.map(({ message }) => message).join('; ') });
    this.#sets.set(key, set);
    set.follow(() => changed(set));
    return set;
  }
}
