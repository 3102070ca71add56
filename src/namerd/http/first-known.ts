/** The first known state of a live value, for requests that do not watch. */
import { filter, firstValueFrom, type Observable, throwError, timeout } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';

/** The failure of a namer or a store: not a defect of the API. */
export class KnownFailure extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.name = 'KnownFailure';
    this.cause = cause;
  }
}

/** Rejects with KnownFailure if the first known state is a failure, and with TIMED_OUT after `waitMs`. */
export async function firstKnown<T>(source: Observable<Activity<T>>, what: string, waitMs: number): Promise<T> {
  const late = () => new LinkerdTcpError('TIMED_OUT', { what, timeout: waitMs });
  const state = await firstValueFrom(
    source.pipe(
      filter((each): each is Exclude<Activity<T>, { state: 'pending' }> => each.state !== 'pending'),
      timeout({ first: waitMs, with: () => throwError(late) }),
    ),
  );
  if (state.state === 'failed') throw new KnownFailure(state.error);
  return state.value;
}
