/**
 * The state of a Consul server's KV store, as its documentation has it: what fake-consul.ts serves.
 *
 * One index of Raft's log for everything (KV Store API, "Read Key": CreateIndex, ModifyIndex, LockIndex, Flags). A removal leaves
 * a tombstone, which holds the index of its directory up until it is reaped (agent option `tombstone_ttl`): afterwards the index of
 * the directory goes backwards (Blocking Queries, "Implementation Details"). Setting a key to what it is changes nothing, not even
 * its ModifyIndex. A transaction is done whole or not at all, and says all operations that fail (Transactions API).
 */

export interface KvEntry {
  readonly Key: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly LockIndex: number;
  readonly Flags: number;
  /** Base64; null where it is empty. */
  readonly Value: string | null;
}

export interface KvOperation {
  readonly Verb: string;
  readonly Key: string;
  readonly Value?: string | null;
  readonly Flags?: number;
  readonly Index?: number;
}

export interface KvError {
  readonly OpIndex: number;
  readonly What: string;
}

/** All there is. Also what a snapshot of `consul snapshot save` has. */
export interface KvState {
  readonly raftIndex: number;
  readonly tableIndex: number;
  readonly entries: ReadonlyMap<string, KvEntry>;
  /** The index of each removal that is not forgotten yet, by key. */
  readonly tombstones: ReadonlyMap<string, number>;
}

/** A cluster that elected its leader and did other things before. */
export const emptyKv: KvState = { raftIndex: 11, tableIndex: 0, entries: new Map(), tombstones: new Map() };

export interface Listing {
  readonly index: number;
  readonly entries: readonly KvEntry[];
}

/** The keys below `prefix`. The index is the newest of them and of their removals; without either, that of the whole table. */
export function list({ entries, tombstones, tableIndex }: KvState, prefix: string): Listing {
  const found = [...entries.values()]
    .filter(({ Key }) => Key.startsWith(prefix))
    .sort((a, b) => (a.Key < b.Key ? -1 : 1));
  const removed = [...tombstones].filter(([key]) => key.startsWith(prefix)).map(([, index]) => index);
  const newest = Math.max(0, ...found.map(({ ModifyIndex }) => ModifyIndex), ...removed);
  return { entries: found, index: Math.max(1, prefix === '' || newest === 0 ? tableIndex : newest) };
}

/** One key. If it does not exist, the index is that of the whole table. */
export function get({ entries, tableIndex }: KvState, key: string): Listing {
  const entry = entries.get(key);
  return entry === undefined
    ? { entries: [], index: Math.max(1, tableIndex) }
    : { entries: [entry], index: entry.ModifyIndex };
}

export interface Applied {
  readonly state: KvState;
  readonly results: readonly KvEntry[];
  readonly errors: readonly KvError[];
}

/** A transaction: one entry of Raft's log, whether it comes to anything or not. */
export function apply(before: KvState, operations: readonly KvOperation[]): Applied {
  const index = before.raftIndex + 1;
  const draft = new Draft(before, index);
  const results: KvEntry[] = [];
  const errors: KvError[] = [];
  for (const [OpIndex, operation] of operations.entries()) {
    const outcome = draft.apply(operation);
    if (typeof outcome === 'string') errors.push({ OpIndex, What: outcome });
    else if (outcome !== undefined) results.push(outcome);
  }
  if (errors.length > 0) return { state: { ...before, raftIndex: index }, results: [], errors };
  return { state: draft.state(), results, errors };
}

class Draft {
  readonly #entries: Map<string, KvEntry>;
  readonly #tombstones: Map<string, number>;
  readonly #index: number;
  #tableIndex: number;

  constructor({ entries, tombstones, tableIndex }: KvState, index: number) {
    this.#entries = new Map(entries);
    this.#tombstones = new Map(tombstones);
    this.#tableIndex = tableIndex;
    this.#index = index;
  }

  state(): KvState {
    return {
      raftIndex: this.#index,
      tableIndex: this.#tableIndex,
      entries: this.#entries,
      tombstones: this.#tombstones,
    };
  }

  /** @returns the transaction's answer about it, or why it fails */
  apply(operation: KvOperation): KvEntry | string | undefined {
    const { Verb, Key, Index = 0 } = operation;
    const present = this.#entries.get(Key);
    const isStale = Index === 0 ? present !== undefined : present?.ModifyIndex !== Index;
    switch (Verb) {
      case 'set':
        return this.#set(operation, present);
      case 'cas':
        return isStale ? `failed to set key "${Key}", index is stale` : this.#set(operation, present);
      case 'get':
        return present ?? `key "${Key}" doesn't exist`;
      case 'delete':
        return this.#delete(Key);
      case 'delete-cas':
        if (present !== undefined && present.ModifyIndex !== Index)
          return `failed to delete key "${Key}", index is stale`;
        return this.#delete(Key);
      case 'check-not-exists':
        return present === undefined ? undefined : `key "${Key}" exists`;
      default:
        return `unknown KV verb "${Verb}"`;
    }
  }

  #set({ Key, Value, Flags = 0 }: KvOperation, present: KvEntry | undefined): KvEntry {
    const value = Value ? Value : null;
    if (present !== undefined && present.Value === value && present.Flags === Flags) return { ...present, Value: null };
    const CreateIndex = present?.CreateIndex ?? this.#index;
    const LockIndex = present?.LockIndex ?? 0;
    const entry: KvEntry = { Key, CreateIndex, ModifyIndex: this.#index, LockIndex, Flags, Value: value };
    this.#entries.set(Key, entry);
    this.#tableIndex = this.#index;
    return { ...entry, Value: null };
  }

  #delete(key: string): undefined {
    if (!this.#entries.delete(key)) return;
    this.#tombstones.set(key, this.#index);
    this.#tableIndex = this.#index;
  }
}
