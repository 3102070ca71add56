/**
 * Wraps every namer: one shared watch per name, torn down with its last observer; repetitions suppressed; the last
 * good answer kept; failures retried with backoff, reported once per change, and told by the age of what is served.
 */
import {
  defer,
  distinctUntilChanged,
  finalize,
  map,
  type Observable,
  ReplaySubject,
  type SchedulerLike,
  share,
  startWith,
  tap,
} from 'rxjs';
import { mapTree, type NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { type Activity, failed, ok, pending } from '../live/activity.ts';
import { Confirmation, keepLastGood, retryWithBackoff } from '../live/last-good.ts';
import { type Addr, sameAddr } from './addr.ts';
import type { NamingContext } from './kinds.ts';
import type { Bound, Name, Namer } from './name.ts';
import { sameNames } from './same.ts';
import { ToldFailures } from './told-failures.ts';

export interface WatchStatus {
  /** The whole name, e.g. `/#/io.l5d.fs/users`. */
  readonly path: string;
  /** Milliseconds since what is served was last confirmed; absent while nothing was ever known. */
  readonly ageMs: number | undefined;
  readonly failure: string | undefined;
  /** Of a namer as a whole: what it knows about its sources. */
  readonly state?: unknown;
}

export interface WatchedNamer extends Namer {
  /** The names watched at this moment. */
  watches(): readonly WatchStatus[];
}

const retryBaseMs = 500;
const retryMaxMs = 30_000;

type Surroundings = NamingContext & { readonly prefix: Path; readonly scheduler?: SchedulerLike };

interface Watch {
  readonly tree: Observable<Activity<NameTree<Name>>>;
  readonly confirmations: Set<Confirmation>;
}

export function watched(namer: Namer, { prefix, log, now, random, scheduler }: Surroundings): WatchedNamer {
  const live = new Map<string, Watch>();
  const told = { trees: new ToldFailures(), addrs: new ToldFailures() };
  const retries = { baseMs: retryBaseMs, maxMs: retryMaxMs, random, scheduler };

  /** One live value of the name `shown`, guarded. */
  const guard = <S extends Activity<unknown> | Addr>(
    source: Observable<S>,
    same: (a: S, b: S) => boolean,
    shown: string,
    confirmations: Set<Confirmation>,
    told: ToldFailures,
  ): Observable<S> =>
    defer(() => {
      const confirmation = new Confirmation(now, failure => {
        if (failure !== undefined && told.isNews(shown, failure))
          log.warn(
            `${shown}: ${failure}${confirmation.ageMs === undefined ? '' : '; the last known answer stays in use'}`,
          );
      });
      confirmations.add(confirmation);
      return source.pipe(
        retryWithBackoff(error => failed(error) as S, retries),
        startWith(pending as S),
        confirmation.observe(),
        tap(state => {
          // Also of a failure that an earlier watch of the name has logged.
          const isGood = state.state !== 'pending' && state.state !== 'failed' && state.unconfirmed === undefined;
          if (isGood && told.isNews(shown, undefined)) log.info(`${shown}: recovered`);
        }),
        keepLastGood(),
        distinctUntilChanged(same),
        finalize(() => confirmations.delete(confirmation)),
      );
    });

  const watch = (path: Path, key: string): Watch => {
    const confirmations = new Set<Confirmation>();
    const guardAddr = (bound: Bound): Name => ({
      type: 'bound',
      bound: {
        ...bound,
        addr: guard(bound.addr, sameAddr, showPath(bound.id), confirmations, told.addrs).pipe(shareLast()),
      },
    });
    const tree = guard(
      defer(() => namer.lookup(path)),
      sameNames,
      key,
      confirmations,
      told.trees,
    ).pipe(
      map(activity =>
        activity.state === 'ok'
          ? ok(mapTree(activity.value, name => (name.type === 'bound' ? guardAddr(name.bound) : name)))
          : activity,
      ),
      finalize(() => live.delete(key)),
      shareLast(),
    );
    return { tree, confirmations };
  };

  return {
    lookup: path =>
      defer(() => {
        const key = showPath([...prefix, ...path]);
        const known = live.get(key) ?? watch(path, key);
        live.set(key, known);
        return known.tree;
      }),
    ...(namer.list && { list: () => namer.list!() }),
    ...(namer.state && { state: () => namer.state!() }),
    close: () => namer.close?.(),
    watches: () =>
      [...live].map(([path, { confirmations }]) => {
        const all = [...confirmations];
        const ages = all.map(({ ageMs }) => ageMs).filter(age => age !== undefined);
        return {
          path,
          ageMs: ages.length === 0 ? undefined : Math.max(...ages),
          failure: all.find(({ failure }) => failure !== undefined)?.failure,
        };
      }),
  };
}

/** One subscription for all observers; a later observer starts with the last value; the last observer ends it. */
export const shareLast = <T>() => share<T>({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true });
