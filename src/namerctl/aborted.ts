/** An AbortSignal as an Observable that emits once. */
import { Observable } from 'rxjs';

export function aborted(signal: AbortSignal): Observable<void> {
  return new Observable(subscriber => {
    const abort = () => {
      subscriber.next();
      subscriber.complete();
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    return () => signal.removeEventListener('abort', abort);
  });
}
