/**
 * What a remote backend has, as far as this namerd knows.
 *
 * Key states arrive from the watch and from the answers to our own writes, in any order. Each carries the backend's revision, and of
 * two states of one namespace the later one counts: a write is visible here before it is answered, and a watch that lags behind
 * takes nothing back.
 */
import type { Dtab } from '../dtab/dtab.ts';
import { showDtab } from '../dtab/show.ts';
import { type Activity, failed, ok, pending } from '../live/activity.ts';
import type { Version, VersionedDtab } from './store.ts';

/** What a backend has for one namespace. */
export interface KeyState {
  readonly namespace: string;
  /** Grows with every write to the backend: of the write that led to this state, or of a read that found nothing. */
  readonly revision: bigint;
  /** Null where there is no such namespace; an Error where the stored value is not a dtab, or may not be read. */
  readonly stored: { readonly dtab: Dtab | Error; readonly version: Version } | null;
}

/** All that a backend has: a namespace without a key state does not exist as of `revision`. */
export interface Snapshot {
  readonly revision: bigint;
  readonly keyStates: readonly KeyState[];
}

interface Entry {
  readonly revision: bigint;
  /** Null once it is deleted: kept until the watch has passed that revision. */
  readonly stored: KeyState['stored'];
  /** The last readable dtab with the current version; null where there was none since the namespace exists. */
  readonly readable: VersionedDtab | null;
  /** How many snapshots had been requested when this arrived. */
  readonly requests: number;
}

export class ReplicaCache {
  readonly #entries = new Map<string, Entry>();
  readonly #unreadable = new Map<string, Error>();
  /** Replaced whole when a namespace is created or deleted, and only then. */
  #namespaces: readonly string[] = [];
  /** Deleted namespaces that still have an entry. */
  #deleted: readonly string[] = [];
  #highest = 0n;
  /** {@link revision} when the last snapshot was requested, and how many were. */
  #requestedAt = 0n;
  #requests = 0;
  /** The watch has reported everything up to this revision. */
  #reported = 0n;
  #isKnown = false;
  #failure: Error | undefined;

  /** The highest revision seen: a read that begins now returns nothing older. */
  get revision(): bigint {
    return this.#highest;
  }

  /** Namespaces whose stored value is not a dtab or may not be read, and why. */
  get unreadable(): ReadonlyMap<string, Error> {
    return this.#unreadable;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#unreadable.clear();
    this.#namespaces = [];
    this.#deleted = [];
    this.#highest = 0n;
    this.#requestedAt = 0n;
    this.#reported = 0n;
    this.#isKnown = false;
    this.#failure = undefined;
  }

  list(): Activity<readonly string[]> {
    return this.#isKnown ? marked(this.#namespaces, this.#failure) : this.#unknown();
  }

  /** Before the first snapshot only our own writes are known. */
  observe(namespace: string): Activity<VersionedDtab | null> {
    const entry = this.#entries.get(namespace);
    if (entry === undefined) return this.#isKnown ? marked(null, this.#failure) : this.#unknown();
    const unreadable = this.#unreadable.get(namespace);
    if (unreadable !== undefined && entry.readable === null) return failed(unreadable);
    return marked(entry.readable, unreadable ?? this.#failure);
  }

  /** Whether the namespace is known to exist. */
  has(namespace: string): boolean {
    return (this.#entries.get(namespace)?.stored ?? null) !== null;
  }

  /** The watch has failed: what is known stays, unconfirmed. */
  fail(error: Error): void {
    this.#failure = error;
  }

  /** The watch is about to begin again: whatever is not known yet is pending, no longer failed. */
  retry(): void {
    if (!this.#isKnown) this.#failure = undefined;
  }

  /** The snapshots that follow are no older than this moment. */
  snapshotRequested(): void {
    this.#requestedAt = this.#highest;
    this.#requests++;
  }

  /**
   * Overrides all that was known when it was requested, also where its revision is lower: the backend was replaced, or restored
   * from a backup. Of what arrived since then the later revision counts.
   */
  takeSnapshot({ revision, keyStates }: Snapshot): void {
    const there = new Set(keyStates.map(({ namespace }) => namespace));
    for (const [namespace, entry] of this.#entries)
      if (!there.has(namespace) && (!this.#isSinceRequest(entry) || entry.revision <= revision))
        this.#remove(namespace);
    for (const keyState of keyStates) this.#put(keyState, true);
    if (revision < this.#requestedAt) this.#highest = 0n;
    for (const entry of this.#entries.values()) this.#reached(entry.revision);
    this.#reached(revision);
    this.#reported = revision;
    this.#recount();
    this.#isKnown = true;
    this.#failure = undefined;
  }

  /** A state from the watch, which reports them in the order of their revisions. */
  takeWatched(keyState: KeyState): void {
    this.#take(keyState);
    if (keyState.revision > this.#reported) this.#reported = keyState.revision;
    for (const namespace of this.#deleted)
      if (this.#entries.get(namespace)!.revision <= keyState.revision) this.#remove(namespace);
    this.#deleted = this.#deleted.filter(namespace => this.#entries.has(namespace));
    this.#failure = undefined;
  }

  /** The outcome of one of our writes: may arrive after the watch has reported its effect, and even its end. */
  takeWritten(keyState: KeyState): void {
    if (this.#entries.has(keyState.namespace) || keyState.revision > this.#reported) this.#take(keyState);
  }

  #take(keyState: KeyState): void {
    const wasThere = this.has(keyState.namespace);
    this.#put(keyState);
    this.#reached(keyState.revision);
    if (wasThere !== this.has(keyState.namespace)) this.#recount();
  }

  #put({ namespace, revision, stored }: KeyState, isOfSnapshot = false): void {
    const known = this.#entries.get(namespace);
    if (known !== undefined && known.revision >= revision) {
      if (!isOfSnapshot || this.#isSinceRequest(known)) return;
      if (known.revision === revision && sameStored(known.stored, stored)) return;
    }
    const readable = stored === null ? null : readableOf(stored, known?.readable);
    this.#entries.set(namespace, { revision, stored, readable, requests: this.#requests });
    if (stored?.dtab instanceof Error) this.#unreadable.set(namespace, stored.dtab);
    else this.#unreadable.delete(namespace);
  }

  #remove(namespace: string): void {
    this.#entries.delete(namespace);
    this.#unreadable.delete(namespace);
  }

  /** Not by revision: that of a deletion may be lower than those of other namespaces that were known by then. */
  #isSinceRequest({ requests }: Entry): boolean {
    return requests === this.#requests;
  }

  #reached(revision: bigint): void {
    if (revision > this.#highest) this.#highest = revision;
  }

  #recount(): void {
    const all = [...this.#entries.keys()].toSorted();
    this.#deleted = all.filter(namespace => !this.has(namespace));
    const there = all.filter(namespace => this.has(namespace));
    if (there.length !== this.#namespaces.length || there.some((name, i) => name !== this.#namespaces[i]))
      this.#namespaces = there;
  }

  #unknown(): Activity<never> {
    return this.#failure === undefined ? pending : failed(this.#failure);
  }
}

const marked = <T>(value: T, unconfirmed: Error | undefined): Activity<T> =>
  unconfirmed === undefined ? ok(value) : { state: 'ok', value, unconfirmed };

/** With the version that is stored, not that of the last readable dtab: an update with it repairs the namespace. */
function readableOf(
  { dtab, version }: NonNullable<KeyState['stored']>,
  last: VersionedDtab | null | undefined,
): VersionedDtab | null {
  if (!(dtab instanceof Error)) return { dtab, version };
  return last ? { dtab: last.dtab, version } : null;
}

function sameStored(a: KeyState['stored'], b: KeyState['stored']): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a.version, b.version) === 0 && (a.dtab === b.dtab || shown(a.dtab) === shown(b.dtab));
}

const shown = (dtab: Dtab | Error): string => (dtab instanceof Error ? dtab.message : showDtab(dtab));
