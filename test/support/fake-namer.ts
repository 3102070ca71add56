/** A namer whose answers a test sets, and which knows who is looking. */
import { BehaviorSubject, defer, finalize, NEVER, type Observable, of } from 'rxjs';
import { leaf, type NameTree } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import type { Path } from '../../src/dtab/path.ts';
import { showPath, showTreeOf } from '../../src/dtab/show.ts';
import { type Activity, failed, ok, pending } from '../../src/live/activity.ts';
import type { Addr } from '../../src/naming/addr.ts';
import type { Bound, Name, Namer } from '../../src/naming/name.ts';

type Answer = Activity<NameTree<Name>>;

export class FakeNamer implements Namer {
  readonly #answers = new Map<string, BehaviorSubject<Answer>>();
  /** Observers by path, and how many there ever were. */
  readonly watches = new Map<string, number>();
  started = 0;

  lookup(path: Path): Observable<Answer> {
    const shown = showPath(path);
    return defer(() => {
      this.started++;
      this.watches.set(shown, (this.watches.get(shown) ?? 0) + 1);
      return this.#answer(shown);
    }).pipe(
      finalize(() => {
        const left = (this.watches.get(shown) ?? 0) - 1;
        if (left > 0) this.watches.set(shown, left);
        else this.watches.delete(shown);
      }),
    );
  }

  answer(path: string, answer: Answer): void {
    this.#answer(path).next(answer);
  }

  #answer(path: string): BehaviorSubject<Answer> {
    const answer = this.#answers.get(path) ?? new BehaviorSubject<Answer>(pending);
    this.#answers.set(path, answer);
    return answer;
  }
}

/** Notation for the states in a test table. */
export const answers = {
  pending,
  neg: ok({ type: 'neg' }),
  empty: ok({ type: 'empty' }),
  fail: ok({ type: 'fail' }),
  failed: failed(new Error('failed')),
} satisfies Record<string, Answer>;

export function boundTo(id: string, residual = '/', addr: Observable<Addr> = NEVER): Answer {
  return ok(leaf<Name>({ type: 'bound', bound: { id: parsePath(id), residual: parsePath(residual), addr } }));
}

export const fixedAddr = (...ports: number[]): Observable<Addr> =>
  of({ state: 'bound', addresses: ports.map(port => ({ ip: '127.0.0.1', port, meta: {} })), meta: {} });

/** As the language prints trees; a leaf as its id, followed by its residual, if any, in parentheses. */
export function showState(state: Activity<NameTree<Bound>>): string {
  if (state.state === 'pending') return 'pending';
  if (state.state === 'failed') return `failed: ${state.error.message}`;
  return showTreeOf(state.value, ({ id, residual }) =>
    residual.length === 0 ? showPath(id) : `${showPath(id)} (${showPath(residual)})`,
  );
}
