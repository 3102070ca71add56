/**
 * What a backend elsewhere has, as far as this namerd has heard.
 *
 * Facts come by two ways, from the watch and from the answers to our own writes, in any order; each carries the backend's
 * revision, and of two about one namespace the later one counts. So a write is seen here before it is answered, and a watch that
 * lags behind it takes nothing back.
 */
import type { Dtab } from '../dtab/dtab.ts';
import { showDtab } from '../dtab/show.ts';
import { type Activity, failed, ok, pending } from '../live/activity.ts';
import type { Version, VersionedDtab } from './store.ts';

/** What a backend has for one namespace. */
export interface KeyState {
  readonly namespace: string;
  /** Grows with every write to the backend: that of the write which made it so, or of a read that found nothing. */
  readonly revision: bigint;
  /** Null where there is no such namespace; an Error where what is there is no dtab. */
  readonly stored: { readonly dtab: Dtab | Error; readonly version: Version } | null;
}

/** All that a backend has: a namespace of which there is no keyState is not there as of `revision`. */
export interface Snapshot {
  readonly revision: bigint;
  readonly keyStates: readonly KeyState[];
}

interface Entry {
  readonly revision: bigint;
  /** Null once it is gone: kept until the watch has come past that revision. */
  readonly stored: KeyState['stored'];
  /** The last that could be read; null where there was none since it came to be. */
  readonly readable: VersionedDtab | null;
  /** How often a snapshot had been asked for when this was heard. */
  readonly asks: number;
}

export class ReplicaCache {
  readonly #entries = new Map<string, Entry>();
  /** Replaced whole when a namespace comes or goes, and only then. */
  #namespaces: readonly string[] = [];
  /** Those of which an entry is kept though they are not there. */
  #gone: readonly string[] = [];
  #highest = 0n;
  /** {@link revision} when a snapshot was asked for last, and how often one was. */
  #askedAt = 0n;
  #asks = 0;
  /** The watch has told all there was up to this revision. */
  #told = 0n;
  #isKnown = false;
  #failure: Error | undefined;

  /** The highest revision heard of: no read that begins now gives an older one. */
  get revision(): bigint {
    return this.#highest;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#namespaces = [];
    this.#gone = [];
    this.#highest = 0n;
    this.#askedAt = 0n;
    this.#told = 0n;
    this.#isKnown = false;
    this.#failure = undefined;
  }

  list(): Activity<readonly string[]> {
    return this.#isKnown ? marked(this.#namespaces, this.#failure) : this.#unknown();
  }

  observe(namespace: string): Activity<VersionedDtab | null> {
    if (!this.#isKnown) return this.#unknown();
    const { stored = null, readable = null } = this.#entries.get(namespace) ?? {};
    const unreadable = stored?.dtab instanceof Error ? stored.dtab : undefined;
    if (unreadable !== undefined && readable === null) return failed(unreadable);
    return marked(readable, unreadable ?? this.#failure);
  }

  /** The watch has failed: what is known stays, unconfirmed. */
  fail(error: Error): void {
    this.#failure = error;
  }

  /** The snapshots that follow are no older than this moment. */
  snapshotRequested(): void {
    this.#askedAt = this.#highest;
    this.#asks++;
  }

  /**
   * Knows better of all that was known when it was asked for, also where its revision is lower: that of a backend which was
   * replaced or restored from a backup. Of what was heard since then the later revision counts.
   */
  takeSnapshot({ revision, keyStates }: Snapshot): void {
    const there = new Set(keyStates.map(({ namespace }) => namespace));
    for (const [namespace, entry] of this.#entries)
      if (!there.has(namespace) && (!this.#isHeardSince(entry) || entry.revision <= revision))
        this.#entries.delete(namespace);
    for (const keyState of keyStates) this.#put(keyState, true);
    if (revision < this.#askedAt) this.#highest = 0n;
    for (const entry of this.#entries.values()) this.#reached(entry.revision);
    this.#reached(revision);
    this.#told = revision;
    this.#recount();
    this.#isKnown = true;
    this.#failure = undefined;
  }

  /** A keyState from the watch, which tells them in the order of their revisions. */
  takeWatched(keyState: KeyState): void {
    this.#take(keyState);
    if (keyState.revision > this.#told) this.#told = keyState.revision;
    for (const namespace of this.#gone)
      if (this.#entries.get(namespace)!.revision <= keyState.revision) this.#entries.delete(namespace);
    this.#gone = this.#gone.filter(namespace => this.#entries.has(namespace));
    this.#failure = undefined;
  }

  /** The outcome of a write of ours: may be answered after the watch has told what came of it, also its end. */
  takeWritten(keyState: KeyState): void {
    if (this.#entries.has(keyState.namespace) || keyState.revision > this.#told) this.#take(keyState);
  }

  #take(keyState: KeyState): void {
    const wasThere = this.#isThere(keyState.namespace);
    this.#put(keyState);
    this.#reached(keyState.revision);
    if (wasThere !== this.#isThere(keyState.namespace)) this.#recount();
  }

  #put({ namespace, revision, stored }: KeyState, isOfSnapshot = false): void {
    const known = this.#entries.get(namespace);
    if (known !== undefined && known.revision >= revision) {
      if (!isOfSnapshot || this.#isHeardSince(known)) return;
      if (known.revision === revision && sameStored(known.stored, stored)) return;
    }
    const readable = stored === null ? null : (readableOf(stored) ?? known?.readable ?? null);
    this.#entries.set(namespace, { revision, stored, readable, asks: this.#asks });
  }

  /** Not by their revisions: that of a deletion may be lower than what was known of others by then. */
  #isHeardSince({ asks }: Entry): boolean {
    return asks === this.#asks;
  }

  #isThere(namespace: string): boolean {
    return (this.#entries.get(namespace)?.stored ?? null) !== null;
  }

  #reached(revision: bigint): void {
    if (revision > this.#highest) this.#highest = revision;
  }

  #recount(): void {
    const all = [...this.#entries.keys()].toSorted();
    this.#gone = all.filter(namespace => !this.#isThere(namespace));
    const there = all.filter(namespace => this.#isThere(namespace));
    if (there.length !== this.#namespaces.length || there.some((name, i) => name !== this.#namespaces[i]))
      this.#namespaces = there;
  }

  #unknown(): Activity<never> {
    return this.#failure === undefined ? pending : failed(this.#failure);
  }
}

const marked = <T>(value: T, unconfirmed: Error | undefined): Activity<T> =>
  unconfirmed === undefined ? ok(value) : { state: 'ok', value, unconfirmed };

const readableOf = ({ dtab, version }: NonNullable<KeyState['stored']>): VersionedDtab | undefined =>
  dtab instanceof Error ? undefined : { dtab, version };

function sameStored(a: KeyState['stored'], b: KeyState['stored']): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a.version, b.version) === 0 && (a.dtab === b.dtab || shown(a.dtab) === shown(b.dtab));
}

const shown = (dtab: Dtab | Error): string => (dtab instanceof Error ? dtab.message : showDtab(dtab));
