/**
 * The meaning of names in each namespace: its stored dtab, live, over the namers of the configuration.
 *
 * A namespace that is not stored is an empty dtab, so names bind by the namers and by the dtab of the request. A name bound
 * without such a dtab is kept warm (see Observations); with one it is bound for that request only.
 */
import { defer, distinctUntilChanged, filter, firstValueFrom, map, type Observable, throwError, timeout } from 'rxjs';
import { concat, type Dtab } from '../../dtab/dtab.ts';
import type { NameTree } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Activity, sameActivity } from '../../live/activity.ts';
import type { Clock } from '../../live/clock.ts';
import { flatMapOk, live } from '../../live/live.ts';
import { SharedByKey } from '../../live/shared-by-key.ts';
import type { Addr } from '../../naming/addr.ts';
import { bindTree } from '../../naming/bind.ts';
import { delegate } from '../../naming/delegate.ts';
import type { Delegation } from '../../naming/delegation.ts';
import type { Interpreter } from '../../naming/interpreter.ts';
import type { Bound, MountedNamer, Namer } from '../../naming/name.ts';
import type { DtabStore } from '../../stores/store.ts';
import { addrOfId } from './bound-ids.ts';
import { Observations } from './observations.ts';
import { ChangedRules, RulesInUse } from './stored-rules.ts';

export interface NamespacesOptions {
  readonly store: DtabStore;
  /** Their prefixes do not overlap. */
  readonly namers: readonly MountedNamer[];
  /** Binds paths after `/$`. */
  readonly builtin: Namer;
  readonly clock: Pick<Clock, 'after'>;
  /** Idle observations kept, of names and of addresses each. */
  readonly keptIdle?: number;
  /** How long an observation outlives its last observer. */
  readonly idleMs?: number;
  /** The same for a name that does not resolve: requests for names that do not exist leave little behind. */
  readonly negativeIdleMs?: number;
}

/** How long the explanation of a name may take. */
export const delegateTimeoutMs = 2000;

const noRules: Dtab = [];

/** A key for a name that is unique over all namespaces. */
export const nameIn = (namespace: string, path: Path): string => `${namespace}?${showPath(path)}`;

interface StoredRules {
  readonly dtab: Dtab;
  /** By the last write. */
  readonly changed: ChangedRules;
}

export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #trees: Observations<Activity<NameTree<Bound>>>;
  readonly #addrs: Observations<Addr>;
  /** Of namespaces with bound names. */
  readonly #dtabs = new SharedByKey<Activity<StoredRules>>();
  /** By `nameIn`: the part of a resolution that all clients share (resolve.ts). */
  readonly resolutions = new SharedByKey<Activity<Addr>>();

  constructor(options: NamespacesOptions) {
    this.#options = options;
    const { clock, keptIdle = 1000, idleMs = 60_000, negativeIdleMs = 5000 } = options;
    const kept = (isPositive: boolean): number => (isPositive ? idleMs : negativeIdleMs);
    this.#trees = new Observations({
      clock,
      limit: keptIdle,
      idleMs: last => kept(last?.state === 'ok' && ['leaf', 'alt', 'union'].includes(last.value.type)),
    });
    this.#addrs = new Observations({ clock, limit: keptIdle, idleMs: last => kept(last?.state === 'bound') });
  }

  /** Observations alive at this moment. */
  get observed(): { readonly trees: number; readonly addrs: number } {
    return { trees: this.#trees.size, addrs: this.#addrs.size };
  }

  interpreter(namespace: string): Interpreter {
    return {
      bind: (dtab, path) => this.bind(namespace, dtab, path),
      delegate: (dtab, path) => this.delegate(namespace, dtab, path),
    };
  }

  bind(namespace: string, dtab: Dtab, path: Path): Observable<Activity<NameTree<Bound>>> {
    if (dtab.length > 0) return this.#bind(namespace, dtab, path);
    return this.#trees.get(nameIn(namespace, path), () => this.#bind(namespace, dtab, path));
  }

  /** The addresses of a bound id, which any namespace may name. */
  addr(id: Path): Observable<Addr> {
    const { namers, builtin } = this.#options;
    return this.#addrs.get(showPath(id), () => addrOfId({ namers, builtin }, id));
  }

  /** @param namespace null for none: only the given dtab counts. Rejects with TIMED_OUT. */
  async delegate(namespace: string | null, dtab: Dtab, path: Path): Promise<Delegation> {
    const { namers, builtin } = this.#options;
    const stored = namespace === null ? noRules : await this.#storedOnce(namespace, path);
    return delegate({ dtab: concat(stored, dtab), namers, builtin }, path, delegateTimeoutMs);
  }

  /** The ids of all namers that can list theirs, as they are now. */
  async boundNames(): Promise<readonly Path[]> {
    const lists = await Promise.all(this.#options.namers.map(({ namer }) => namer.list?.() ?? []));
    return lists.flat();
  }

  close(): void {
    this.#trees.close();
    this.#addrs.close();
  }

  /** A write that changes no rule that the name depends on does not rebind it. */
  #bind(namespace: string, dtab: Dtab, path: Path): Observable<Activity<NameTree<Bound>>> {
    const { namers, builtin } = this.#options;
    return defer(() => {
      let inUse: RulesInUse | undefined;
      const rules = (state: Activity<StoredRules>): Activity<RulesInUse> => {
        if (state.state !== 'ok') {
          inUse = undefined;
          return state;
        }
        const { changed } = state.value;
        const whole = concat(state.value.dtab, dtab);
        if (inUse === undefined || inUse.isAffectedBy(changed)) inUse = new RulesInUse(whole);
        else inUse.dtab = whole;
        return { ...state, value: inUse };
      };
      return this.#stored(namespace).pipe(
        map(rules),
        flatMapOk(used =>
          bindTree(
            {
              get dtab() {
                return used.dtab;
              },
              asked: asked => used.ask(asked),
              namers,
              builtin,
            },
            path,
          ),
        ),
        distinctUntilChanged(),
      );
    });
  }

  /** One observation for all names of a namespace. A write that changes no rule rebinds none of them. */
  #stored(namespace: string): Observable<Activity<StoredRules>> {
    return this.#dtabs.get(namespace, () => this.#observeRules(namespace));
  }

  #observeRules(namespace: string): Observable<Activity<StoredRules>> {
    let before: Dtab = noRules;
    return live(() => this.#options.store.observe(namespace)).pipe(
      map((state): Activity<StoredRules> => {
        if (state.state !== 'ok') return state;
        const dtab = state.value?.dtab ?? noRules;
        const changed = new ChangedRules(before, dtab);
        before = dtab;
        return { ...state, value: { dtab, changed } };
      }),
      distinctUntilChanged((a, b) => sameActivity(a, b, () => b.state === 'ok' && b.value.changed.isEmpty)),
    );
  }

  async #storedOnce(namespace: string, path: Path): Promise<Dtab> {
    const late = () =>
      new LinkerdTcpError('TIMED_OUT', { what: `explaining ${showPath(path)}`, timeout: delegateTimeoutMs });
    const known = await firstValueFrom(
      this.#stored(namespace).pipe(
        filter(({ state }) => state !== 'pending'),
        timeout({ first: delegateTimeoutMs, with: () => throwError(late) }),
      ),
    );
    if (known.state === 'failed') throw known.error;
    return known.state === 'ok' ? known.value.dtab : noRules;
  }
}
