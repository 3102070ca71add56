/** A backend in memory, for what is the same for all remote stores: it answers as late as told, and fails when told. */
import { Observable, type Subscriber } from 'rxjs';
import type { Dtab } from '../../src/dtab/dtab.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import type { Backend, Report, Written } from '../../src/stores/backend.ts';
import { namespaceProblem } from '../../src/stores/namespace.ts';
import type { KeyState } from '../../src/stores/replica-cache.ts';
import type { Version } from '../../src/stores/store.ts';

interface Stored {
  readonly dtab: Dtab | Error;
  readonly revision: bigint;
}

const store = 'test.memory';

/** What several stores share, as replicas share one etcd. */
export class MemoryServer {
  readonly held = new Map<string, Stored>();
  revision = 0n;
  readonly #watchers = new Set<Subscriber<Report>>();

  get watchers(): number {
    return this.#watchers.size;
  }

  watch(): Observable<Report> {
    return new Observable(out => {
      this.#watchers.add(out);
      out.add(() => this.#watchers.delete(out));
      const keyStates = [...this.held.keys()].map(namespace => this.keyState(namespace));
      out.next({ type: 'snapshot', snapshot: { revision: this.revision, keyStates } });
    });
  }

  /** What a person with another tool would do. */
  corrupt(namespace: string): void {
    const details = { store, namespace, reason: 'it was edited by hand' };
    this.write(namespace, new LinkerdTcpError('STORE_UNREADABLE', details));
  }

  write(namespace: string, dtab: Dtab | Error | null): KeyState {
    this.revision++;
    if (dtab === null) this.held.delete(namespace);
    else this.held.set(namespace, { dtab, revision: this.revision });
    const keyState = this.keyState(namespace);
    for (const out of [...this.#watchers]) out.next({ type: 'changed', keyState });
    return keyState;
  }

  keyState(namespace: string): KeyState {
    const present = this.held.get(namespace);
    if (present === undefined) return { namespace, revision: this.revision, stored: null };
    const version = Buffer.from(String(present.revision));
    return { namespace, revision: present.revision, stored: { dtab: present.dtab, version } };
  }

  /** Cuts all watches. */
  breakWatches(error: Error): void {
    for (const out of [...this.#watchers]) out.error(error);
  }
}

export class MemoryBackend implements Backend {
  readonly server: MemoryServer;
  /** While set, nothing is reached. */
  failure: Error | undefined;
  /** The same for the watch alone. */
  watchFailure: Error | undefined;
  /** Awaited before each write. */
  readonly maxTextBytes = 100_000;
  gate: Promise<void> = Promise.resolve();

  constructor(server: MemoryServer) {
    this.server = server;
  }

  watch(): Observable<Report> {
    return new Observable(out => {
      const failure = this.watchFailure ?? this.failure;
      if (failure !== undefined) return out.error(failure);
      return this.server.watch().subscribe(out);
    });
  }

  namespaceProblem(namespace: string): string | undefined {
    return namespaceProblem(namespace);
  }

  async create(namespace: string, dtab: Dtab): Promise<Written> {
    await this.#reached();
    if (this.server.held.has(namespace)) throw new LinkerdTcpError('STORE_EXISTS', { namespace, store });
    return this.server.write(namespace, dtab) as Written;
  }

  async update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written> {
    await this.#reached();
    this.#checkVersion(namespace, version);
    return this.server.write(namespace, dtab) as Written;
  }

  async put(namespace: string, dtab: Dtab): Promise<Written> {
    await this.#reached();
    return this.server.write(namespace, dtab) as Written;
  }

  async delete(namespace: string, version?: Version): Promise<KeyState> {
    await this.#reached();
    this.#checkVersion(namespace, version);
    return this.server.write(namespace, null);
  }

  async close(): Promise<void> {}

  async #reached(): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
  }

  #checkVersion(namespace: string, version: Version | undefined): void {
    const { stored } = this.server.keyState(namespace);
    if (stored === null) throw new LinkerdTcpError('STORE_MISSING', { namespace, store });
    if (version !== undefined && Buffer.compare(stored.version, version) !== 0)
      throw new LinkerdTcpError('STORE_CONFLICT', { namespace, store });
  }
}
