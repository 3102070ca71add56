/** The current state of the storage and of the names that namers watch, with age and failures. */
import { lastValueFrom, type Observable, startWith, takeUntil, takeWhile, timer } from 'rxjs';
import { showDtab } from '../../dtab/show.ts';
import { type Activity, pending } from '../../live/activity.ts';
import type { WatchStatus } from '../../naming/watched.ts';
import type { DtabStore, VersionedDtab } from '../../stores/store.ts';
import type { Endpoint } from '../endpoint.ts';

/** How long to wait for the storage before its state is shown as pending. */
const patienceMs = 1000;

export const storageEndpoint = (store: DtabStore): Endpoint => ({
  method: 'GET',
  path: '/storage.json',
  purpose: 'the stored dtabs, and the reason if they cannot be confirmed',
  answer: async () => {
    const list = await latest(store.list());
    const names = list.state === 'ok' ? list.value : [];
    const shown = async (name: string) => [name, shownState(await latest(store.observe(name)), shownDtab)] as const;
    const { writeFailure } = store.health ?? {};
    return {
      ...shownState(list, () => ({})),
      ...(writeFailure !== undefined && { writeFailure }),
      namespaces: Object.fromEntries(await Promise.all(names.map(shown))),
    };
  },
});

export const namerStateEndpoint = (watches: () => readonly WatchStatus[]): Endpoint => ({
  method: 'GET',
  path: '/namer_state.json',
  purpose: 'the names that namers watch, the age of what is known of each, and what fails',
  answer: () => watches(),
});

/** The first known state, or `pending` after the timeout. */
const latest = <T>(source: Observable<Activity<T>>): Promise<Activity<T>> =>
  lastValueFrom(
    source.pipe(
      startWith(pending),
      takeWhile(({ state }) => state === 'pending', true),
      takeUntil(timer(patienceMs)),
    ),
  );

function shownState<T>(activity: Activity<T>, show: (value: T) => object): object {
  if (activity.state === 'failed') return { state: 'failed', reason: activity.error.message };
  if (activity.state === 'pending') return { state: 'pending' };
  const { value, unconfirmed } = activity;
  return {
    state: unconfirmed === undefined ? 'ok' : 'unconfirmed',
    ...(unconfirmed && { reason: unconfirmed.message }),
    ...show(value),
  };
}

const shownDtab = (stored: VersionedDtab | null): object =>
  stored === null ? {} : { version: Buffer.from(stored.version).toString('base64'), dtab: showDtab(stored.dtab) };
