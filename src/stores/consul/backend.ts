/**
 * Dtabs in Consul's KV store: one blocking query for all that is below a folder, and transactions for writing.
 *
 * The revision of a keyState is the ModifyIndex of its key: the index in Raft's log of the write that made it so. That of a snapshot
 * is X-Consul-Index, the highest such index below the folder, removals included; it may fall when Consul forgets a removal.
 */
import { concatMap, type Observable } from 'rxjs';
import { z } from 'zod';
import { blockingQuery } from '../../clients/consul/blocking-query.ts';
import type {
  Consistency,
  ConsulAnswer,
  ConsulClient,
  KvOperation,
  TransactionError,
} from '../../clients/consul/client.ts';
import { ConsulFailure } from '../../clients/consul/failure.ts';
import { outcomeOf } from '../../clients/outcome.ts';
import type { Dtab } from '../../dtab/dtab.ts';
import { showDtab } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type Backend, type Report, uncertainHint, type Written } from '../backend.ts';
import type { KeyState } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { readStoredDtab } from '../stored-text.ts';

export interface ConsulBackendOptions {
  /** What messages call it. */
  readonly store: string;
  readonly client: ConsulClient;
  /** E.g. `namerd/dtabs/` */
  readonly folder: string;
  readonly consistency: Consistency;
  /** How long a question may stay open: with what Consul adds to it, a server that is silent is noticed within 15 s. */
  readonly waitMs?: number;
  readonly log: Log;
}

const defaultWaitMs = 10_000;
const namespaces = /^[A-Za-z0-9_-]+$/;
/**
 * Consul accepts transactions of 512 KiB (`limits.txn_max_req_len`). The value travels in base64, in one JSON document with the
 * keys, so this much text fits whatever the names are.
 */
const maxTextBytes = 390_000;
/** No write will ever have it. */
const impossibleIndex = Number.MAX_SAFE_INTEGER;

const index = z.int().positive();
const listed = z.array(z.object({ Key: z.string(), Value: z.string().nullable(), ModifyIndex: index })).min(1);
const transacted = z.object({ Results: z.array(z.object({ KV: z.object({ Key: z.string(), ModifyIndex: index }) })) });

type Listed = z.output<typeof listed>[number];

interface Seen extends Written {
  readonly value: string | null;
}

export class ConsulBackend implements Backend {
  readonly maxTextBytes = maxTextBytes;
  readonly #options: ConsulBackendOptions;
  readonly #waitMs: number;
  #checkedVersion: Promise<void> | undefined;
  /** The highest index heard of: a leader has nothing older, unless Consul was restored. */
  #highest = 0n;

  constructor(options: ConsulBackendOptions) {
    this.#options = options;
    this.#waitMs = options.waitMs ?? defaultWaitMs;
  }

  watch(): Observable<Report> {
    let seen: ReadonlyMap<string, Seen> = new Map();
    const isStale = this.#options.consistency === 'stale';
    this.#checkedVersion ??= this.#checkVersion();
    const query = blockingQuery({
      waitMs: this.#waitMs,
      ask: (after, signal) => this.#list(after, after === 0n || seen.size > 0, signal),
      // Any server may answer a stale question, and may lag behind what we know: that does not mean anything.
      least: () => (isStale ? 0n : this.#highest),
    });
    return query.pipe(
      concatMap((event): Report[] => {
        if (event.type === 'asked') return isStale && event.index > 0n ? [] : [{ type: 'snapshotRequested' }];
        const { answer } = event;
        this.#reached(answer.index);
        seen = this.#seen(answer, seen);
        const snapshot = { revision: answer.index, keyStates: [...seen.values()] };
        if (answer.hasLeader) return [{ type: 'snapshot', snapshot }];
        return [{ type: 'snapshot', snapshot, unconfirmed: new Error('the server that answers knows of no leader') }];
      }),
    );
  }

  namespaceProblem(namespace: string): string | undefined {
    return namespaces.test(namespace) ? undefined : 'it may only have letters, digits, - and _';
  }

  create(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, dtab, [this.#setting(namespace, 'cas', 0, dtab)], () => 'STORE_EXISTS');
  }

  update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written> {
    const operations = [this.#get(namespace), this.#replacing(namespace, version, dtab)];
    return this.#write(namespace, dtab, operations, missingOrConflict);
  }

  put(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, dtab, [this.#setting(namespace, 'set', undefined, dtab)], () => undefined);
  }

  /** Consul does not say the index of a removal; that of a write before it, in the same transaction, is the same one. */
  async delete(namespace: string, version?: Version): Promise<KeyState> {
    const marking = this.#replacing(namespace, version, []);
    const removing: KvOperation = { Verb: 'delete', Key: marking.Key };
    const operations = [this.#get(namespace), marking, removing];
    const modifyIndex = await this.#transact(namespace, operations, missingOrConflict);
    return { namespace, revision: BigInt(modifyIndex), stored: null };
  }

  close(): Promise<void> {
    return this.#options.client.close();
  }

  /** @param isTelling whether an answer that there is nothing would change what is known */
  async #list(after: bigint, isTelling: boolean, signal: AbortSignal): Promise<ConsulAnswer> {
    const { consistency } = this.#options;
    const least = this.#highest;
    let answer = await this.#read(after, consistency, signal);
    if (after === 0n && answer.index < least) {
      // A server that lags behind, or a Consul that was restored: the leader knows.
      if (consistency !== 'consistent') answer = await this.#read(0n, 'consistent', signal);
      if (this.#highest === least) this.#highest = answer.index;
    }
    if (answer.body === undefined && isTelling) await this.#checkRight(signal);
    return answer;
  }

  #read(index: bigint, consistency: Consistency, signal: AbortSignal): Promise<ConsulAnswer> {
    const { client, folder } = this.#options;
    const wait = index === 0n ? {} : { wait: { index, waitMs: this.#waitMs } };
    return this.#reading(async () => {
      const query = { recurse: 'true' };
      const answer = await client.read({ path: pathOf(folder), query, consistency, signal, ...wait });
      if (!answer.isFiltered) return answer;
      throw new ConsulFailure(`the token may not read all keys below ${folder}`, { isForbidden: true });
    });
  }

  /** Asked once, and only a warning depends on it: a token without `agent:read` does not learn the version. */
  async #checkVersion(): Promise<void> {
    const { client, log, store, folder } = this.#options;
    if (!client.hasToken) return;
    const version = await client.version().catch(() => undefined);
    const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version ?? '') ?? [];
    if (major === undefined || Number(major) > 1 || Number(minor) >= 11) return;
    log.warn(
      `${store}: Consul ${version} does not report keys that a token may not read, so their namespaces would be missing without ` +
        `an error; give the token read access to all keys below ${folder}`,
    );
  }

  /** Who may not read a list is told that it is empty; about one key the same is said openly. */
  async #checkRight(signal: AbortSignal): Promise<void> {
    const { client, folder, consistency } = this.#options;
    await this.#reading(() => client.read({ path: pathOf(folder), consistency, signal }));
  }

  /** The namespaces in an answer. What has not changed since `before` is not parsed again. */
  #seen({ body }: ConsulAnswer, before: ReadonlyMap<string, Seen>): ReadonlyMap<string, Seen> {
    if (body === undefined) return new Map();
    const { success, data } = listed.safeParse(body);
    if (!success) throw new ConsulFailure('its answer is not a list of keys');
    const { folder } = this.#options;
    const seen = new Map<string, Seen>();
    for (const entry of data) {
      if (!entry.Key.startsWith(folder)) throw new ConsulFailure(`its answer has the key ${entry.Key} in it`);
      const namespace = entry.Key.slice(folder.length);
      if (!namespaces.test(namespace)) continue;
      const known = before.get(namespace);
      const isSame = known?.revision === BigInt(entry.ModifyIndex) && known.value === entry.Value;
      seen.set(namespace, isSame ? known : this.#keyState(namespace, entry));
    }
    return seen;
  }

  #keyState(namespace: string, { Value: value, ModifyIndex }: Listed): Seen {
    const text = Buffer.from(value ?? '', 'base64').toString('utf8');
    const dtab = readStoredDtab(this.#options.store, namespace, text);
    return { namespace, revision: BigInt(ModifyIndex), stored: { dtab, version: versionOf(ModifyIndex) }, value };
  }

  #get(namespace: string): KvOperation {
    return { Verb: 'get', Key: this.#options.folder + namespace };
  }

  #replacing(namespace: string, version: Version | undefined, dtab: Dtab): KvOperation {
    if (version === undefined) return this.#setting(namespace, 'set', undefined, dtab);
    return this.#setting(namespace, 'cas', indexOf(version), dtab);
  }

  /**
   * Consul takes the writing of what is there already for nothing, and leaves the ModifyIndex as it is; with other flags it is
   * a change.
   */
  #setting(namespace: string, Verb: 'set' | 'cas', Index: number | undefined, dtab: Dtab): KvOperation {
    const Key = this.#options.folder + namespace;
    const Value = Buffer.from(showDtab(dtab)).toString('base64');
    return { Verb, Key, Value, Flags: Math.floor(Math.random() * 2 ** 48), ...(Index !== undefined && { Index }) };
  }

  async #write(namespace: string, dtab: Dtab, operations: readonly KvOperation[], problem: Problem): Promise<Written> {
    const modifyIndex = await this.#transact(namespace, operations, problem);
    return { namespace, revision: BigInt(modifyIndex), stored: { dtab, version: versionOf(modifyIndex) } };
  }

  /** @returns the index that everything written in it has */
  #transact(namespace: string, operations: readonly KvOperation[], problem: Problem): Promise<number> {
    const { client, store, folder } = this.#options;
    return this.#writing(namespace, async () => {
      const outcome = await client.transact(operations);
      if ('errors' in outcome) {
        const code = problem(outcome.errors);
        if (code === undefined) throw new ConsulFailure(outcome.errors.map(({ What }) => What).join('; '));
        throw new LinkerdTcpError(code, { namespace, store });
      }
      const { data } = transacted.safeParse(outcome.body);
      const written = data?.Results.findLast(({ KV }) => KV.Key === folder + namespace)?.KV.ModifyIndex;
      if (written === undefined) throw new ConsulFailure('its answer to a transaction is not a list of keys');
      this.#reached(BigInt(written));
      return written;
    });
  }

  async #reading<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw this.#told(error, 'read the namespaces');
    }
  }

  async #writing<T>(namespace: string, run: () => Promise<T>): Promise<T> {
    const action = `write namespace ${namespace}`;
    try {
      return await run();
    } catch (error) {
      const { store } = this.#options;
      const status = error instanceof ConsulFailure ? error.status : undefined;
      if (status === 413 || status === 400) {
        const code = status === 413 ? 'STORE_TOO_LARGE' : 'STORE_REJECTED';
        throw new LinkerdTcpError(code, { store, namespace, reason: reasonOf(error) }, { cause: error });
      }
      if (!(error instanceof ConsulFailure) || error.isForbidden || outcomeOf(error) === 'none')
        throw this.#told(error, action);
      const details = { store, action, reason: error.message, hint: uncertainHint };
      throw new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
    }
  }

  #told(error: unknown, action: string): unknown {
    if (!(error instanceof ConsulFailure) || !error.isForbidden) return error;
    const details = { store: this.#options.store, action, reason: error.message };
    return new LinkerdTcpError('STORE_FORBIDDEN', details, { cause: error });
  }

  #reached(index: bigint): void {
    if (index > this.#highest) this.#highest = index;
  }
}

type Problem = (errors: readonly TransactionError[]) => 'STORE_EXISTS' | 'STORE_MISSING' | 'STORE_CONFLICT' | undefined;

/** Of a transaction that first gets the key, and then sets it. */
const missingOrConflict: Problem = errors => {
  if (errors.some(({ OpIndex }) => OpIndex === 0)) return 'STORE_MISSING';
  return errors.some(({ OpIndex }) => OpIndex === 1) ? 'STORE_CONFLICT' : undefined;
};

const pathOf = (folder: string): string => `kv/${folder.split('/').map(encodeURIComponent).join('/')}`;

const versionOf = (modifyIndex: number): Version => Buffer.from(String(modifyIndex), 'ascii');

function indexOf(version: Version): number {
  const text = Buffer.from(version).toString('latin1');
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : impossibleIndex;
  return Number.isSafeInteger(number) ? number : impossibleIndex;
}
