/**
 * Asks again and again, for servers that cannot stream. The period runs from question to question; a question that takes longer
 * is followed at once, and never are two open together. Like a watch, it emits failures and continues.
 */
import { Observable } from 'rxjs';
import { reasonOf } from '../../errors.ts';
import { type Activity, failed, ok } from '../../live/activity.ts';
import type { Clock } from '../../live/clock.ts';
import type { RequestObserver, WatchStatus } from './watch.ts';

export interface PollOptions {
  /** For the status only. */
  readonly url: string;
  readonly periodMs: number;
  readonly clock: Clock;
  readonly observer: RequestObserver;
  readonly running: Set<WatchStatus>;
}

export function poll<T>(ask: (signal: AbortSignal) => Promise<T>, options: PollOptions): Observable<Activity<T>> {
  const { url, periodMs, clock, observer, running } = options;
  return new Observable(subscriber => {
    const status: WatchStatus = { url, state: 'connecting' };
    const stopped = new AbortController();
    let cancelTimer = () => {};
    running.add(status);

    const round = async () => {
      const startedAt = clock.now();
      status.state = 'connecting';
      status.backoffMs = undefined;
      const answer = await ask(stopped.signal).then(ok, error =>
        failed(error instanceof Error ? error : new Error(reasonOf(error))),
      );
      if (stopped.signal.aborted) return;
      const latencyMs = clock.now() - startedAt;
      observer.requestDone({ ok: answer.state === 'ok', latencyMs });
      if (answer.state === 'ok') status.lastByteAt = status.lastDocumentAt = clock.now();
      status.lastError = answer.state === 'failed' ? answer.error : undefined;
      subscriber.next(answer);
      if (subscriber.closed) return;
      // After a failure up to half a period early, so that proxies do not stay in step with each other.
      const wait = answer.state === 'ok' ? periodMs - latencyMs : periodMs * (0.5 + clock.random() / 2);
      status.state = 'waiting';
      status.backoffMs = Math.max(0, wait);
      cancelTimer = clock.after(status.backoffMs, round);
    };
    void round();

    return () => {
      cancelTimer();
      stopped.abort();
      running.delete(status);
    };
  });
}
