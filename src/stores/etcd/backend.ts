/**
 * etcd v3 as a backend: one key per namespace below a prefix, the dtab's text as its value. The revision of etcd that wrote a key
 * last is both the version of the namespace (in decimal, as text) and what orders keyStates about it.
 *
 * Writes are transactions that compare and write in one step. The watch begins at the revision after a linearizable read, so
 * nothing is missed between the two; a small read at the same member every few seconds tells whether it still answers and still
 * belongs to a majority.
 */
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  expand,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  reduce,
  repeat,
  switchMap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import type { EtcdCluster, EtcdSession } from '../../clients/etcd/cluster.ts';
import { callReason, isForbidden, isTooLarge, late } from '../../clients/etcd/failure.ts';
import type {
  Compare,
  KeyValue,
  RangeResponse,
  RequestOp,
  TxnResponse,
  WatchResponse,
} from '../../clients/etcd/messages.ts';
import { outcomeOf } from '../../clients/outcome.ts';
import type { Dtab } from '../../dtab/dtab.ts';
import { showDtab } from '../../dtab/show.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Backend, type Report, uncertainHint, type Written } from '../backend.ts';
import { namespaceProblem } from '../namespace.ts';
import type { KeyState, Snapshot } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { readStoredDtab } from '../stored-text.ts';

export interface EtcdBackendOptions {
  /** What messages call it. */
  readonly store: string;
  /** Without a slash at its end. */
  readonly pathPrefix: string;
  /** Called once, by the first use. */
  readonly open: () => Promise<EtcdCluster>;
  readonly timeoutMs: number;
  readonly closed?: () => void;
}

/** As large as etcd takes them, so many values fit in one answer (1.5 MiB each, in 64 MiB). */
const pageKeys = 40;
const mostKeys = 100_000;
const pingEveryMs = 3000;
const largestRevision = 2n ** 63n - 1n;

export class EtcdBackend implements Backend {
  readonly #options: EtcdBackendOptions;
  /** The keys of namespaces are from `first`, and before `end`. */
  readonly #first: Buffer;
  readonly #end: Buffer;
  #cluster: Promise<EtcdCluster> | undefined;
  #isClosed = false;

  constructor(options: EtcdBackendOptions) {
    this.#options = options;
    this.#first = Buffer.from(`${options.pathPrefix}/`);
    this.#end = Buffer.from(`${options.pathPrefix}0`);
  }

  readonly namespaceProblem = namespaceProblem;

  watch(): Observable<Report> {
    return defer(() => from(this.#opened())).pipe(
      switchMap(cluster => cluster.follow(member => this.#follow(member))),
      catchError(error => throwError(() => this.#failure(error, 'watch its namespaces'))),
    );
  }

  async create(namespace: string, dtab: Dtab): Promise<Written> {
    const absent: Compare = { key: this.#key(namespace), result: 'EQUAL', target: 'CREATE', createRevision: '0' };
    const { succeeded, revision } = await this.#txn(namespace, [absent], this.#putting(namespace, dtab));
    if (!succeeded) throw new LinkerdTcpError('STORE_EXISTS', { namespace, store: this.#options.store });
    return written(namespace, revision, dtab);
  }

  async update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written> {
    const at = this.#present(namespace, version);
    const { succeeded, revision, found } = await this.#txn(namespace, [at], this.#putting(namespace, dtab));
    if (!succeeded) throw this.#refusal(namespace, found);
    return written(namespace, revision, dtab);
  }

  async put(namespace: string, dtab: Dtab): Promise<Written> {
    const { revision } = await this.#txn(namespace, [], this.#putting(namespace, dtab));
    return written(namespace, revision, dtab);
  }

  async delete(namespace: string, version?: Version): Promise<KeyState> {
    const removing: RequestOp = { requestDeleteRange: { key: this.#key(namespace) } };
    const { succeeded, revision, found } = await this.#txn(namespace, [this.#present(namespace, version)], removing);
    if (!succeeded) throw this.#refusal(namespace, found);
    return { namespace, revision, stored: null };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.closed?.();
    (await this.#cluster)?.close();
  }

  async #opened(): Promise<EtcdCluster> {
    if (this.#isClosed) throw new Error('it is closed');
    this.#cluster ??= this.#options.open();
    return this.#cluster;
  }

  #key(namespace: string): Buffer {
    return Buffer.from(`${this.#options.pathPrefix}/${namespace}`);
  }

  #putting(namespace: string, dtab: Dtab): RequestOp {
    return { requestPut: { key: this.#key(namespace), value: Buffer.from(showDtab(dtab)) } };
  }

  /** True where there is such a namespace, at that version if one is given. A version that cannot exist equals none. */
  #present(namespace: string, version: Version | undefined): Compare {
    const key = this.#key(namespace);
    if (version === undefined) return { key, result: 'NOT_EQUAL', target: 'CREATE', createRevision: '0' };
    const text = Buffer.from(version).toString('latin1');
    const isRevision = /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= largestRevision;
    return { key, result: 'EQUAL', target: 'MOD', modRevision: isRevision ? text : '-1' };
  }

  async #txn(namespace: string, compare: readonly Compare[], success: RequestOp) {
    const failure: RequestOp = { requestRange: { key: this.#key(namespace), keysOnly: true } };
    try {
      const cluster = await this.#opened();
      const answer = await cluster.txn({ compare, success: [success], failure: [failure] });
      // One for each operation of the branch that was taken.
      if (answer.responses.length !== 1) throw garbage();
      const found = answer.responses[0]?.responseRange?.kvs.length === 1;
      return { succeeded: answer.succeeded, revision: revisionOf(answer), found };
    } catch (error) {
      const action = `write namespace ${namespace}`;
      const told = this.#failure(error, action);
      const { store } = this.#options;
      if (isTooLarge(error))
        throw new LinkerdTcpError('STORE_TOO_LARGE', { store, namespace, reason: told.message }, { cause: error });
      if (told instanceof LinkerdTcpError || outcomeOf(error) === 'none') throw told;
      const details = { store, action, reason: told.message, hint: uncertainHint };
      throw new LinkerdTcpError('STORE_UNAVAILABLE', details, { cause: error });
    }
  }

  #refusal(namespace: string, found: boolean): LinkerdTcpError {
    return new LinkerdTcpError(found ? 'STORE_CONFLICT' : 'STORE_MISSING', { namespace, store: this.#options.store });
  }

  #follow(member: EtcdSession): Observable<Report> {
    return this.#snapshot(member).pipe(
      switchMap(snapshot => {
        const startRevision = String(snapshot.revision + 1n);
        const watch = member.watch({ key: this.#first, rangeEnd: this.#end, startRevision, fragment: true }).pipe(
          timeout({ first: this.#options.timeoutMs, with: () => throwError(late) }),
          concatMap(response => this.#reports(response, snapshot)),
        );
        return merge(watch, this.#pings(member));
      }),
    );
  }

  /** Told when the watch stands, not before: a member that answers reads and no watches is one that fails. */
  #reports(response: WatchResponse, snapshot: Snapshot): readonly Report[] {
    if (response.canceled) throw cancellation(response);
    if (response.created) return [{ type: 'snapshot', snapshot }];
    return response.events.flatMap(({ type, kv }) => {
      const keyState = this.#keyState(kv, type === 'PUT');
      return keyState === undefined ? [] : [{ type: 'changed' as const, keyState }];
    });
  }

  /** All pages are of one revision, that of the first. */
  #snapshot(member: EtcdSession): Observable<Snapshot> {
    const page = (after: RangeResponse | undefined) =>
      member.range({
        key: after === undefined ? this.#first : Buffer.concat([after.kvs.at(-1)!.key, Buffer.of(0)]),
        rangeEnd: this.#end,
        limit: String(pageKeys),
        revision: after === undefined ? '0' : String(revision),
      });
    let revision = 0n;
    return page(undefined).pipe(
      expand(answer => {
        revision ||= revisionOf(answer);
        return answer.more && answer.kvs.length > 0 ? page(answer) : EMPTY;
      }),
      reduce((keyStates, { kvs }) => {
        if (keyStates.length > mostKeys) throw new Error(`it has more than ${mostKeys} keys below ${this.#first}`);
        keyStates.push(...kvs.flatMap(kv => this.#keyState(kv, true) ?? []));
        return keyStates;
      }, [] as KeyState[]),
      map(keyStates => ({ revision, keyStates })),
    );
  }

  #pings(member: EtcdSession): Observable<never> {
    return timer(pingEveryMs).pipe(
      switchMap(() => member.range({ key: this.#first, keysOnly: true })),
      repeat(),
      ignoreElements(),
    );
  }

  /** Undefined for a key that is no namespace of ours. */
  #keyState(kv: KeyValue | null, isThere: boolean): KeyState | undefined {
    if (kv === null || !kv.key.subarray(0, this.#first.length).equals(this.#first)) throw garbage();
    const namespace = kv.key.toString('utf8', this.#first.length);
    if (namespaceProblem(namespace) !== undefined || !this.#key(namespace).equals(kv.key)) return undefined;
    const revision = positive(kv.modRevision);
    if (!isThere) return { namespace, revision, stored: null };
    const dtab = readStoredDtab(this.#options.store, namespace, kv.value.toString());
    return { namespace, revision, stored: { dtab, version: Buffer.from(String(revision)) } };
  }

  #failure(error: unknown, action: string): Error {
    const { store, timeoutMs } = this.#options;
    const reason = callReason(error, timeoutMs);
    if (isForbidden(error)) return new LinkerdTcpError('STORE_FORBIDDEN', { store, action, reason }, { cause: error });
    return new Error(reason, { cause: error });
  }
}

const written = (namespace: string, revision: bigint, dtab: Dtab): Written => ({
  namespace,
  revision,
  stored: { dtab, version: Buffer.from(String(revision)) },
});

const garbage = () => new Error('its answer is not an etcd answer');

function positive(text: string | undefined): bigint {
  const revision = BigInt(text ?? 0);
  if (revision <= 0n) throw garbage();
  return revision;
}

const revisionOf = ({ header }: RangeResponse | TxnResponse): bigint => positive(header?.revision);

function cancellation({ compactRevision, cancelReason }: WatchResponse): Error {
  if (compactRevision !== '0') return new Error(`it has forgotten what came before revision ${compactRevision}`);
  return new Error(cancelReason || 'it has ended the watch');
}
