/** The documents of a watch, as text. */
import { distinctUntilChanged, map, type Observable } from 'rxjs';
import { type Activity, ok } from '../../live/activity.ts';

/** One document for each known value; equal texts in a row are one document. */
export function documentsOf<T>(
  source: Observable<Activity<T>>,
  show: (value: T) => string,
): Observable<Activity<string>> {
  return source.pipe(
    map(state => (state.state === 'ok' ? ok(show(state.value)) : state)),
    distinctUntilChanged((a, b) => a.state === 'ok' && b.state === 'ok' && a.value === b.value),
  );
}
