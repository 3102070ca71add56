/**
 * Bound ids and their namers: an id belongs to the namer whose prefix it starts with, and binds there to itself.
 */
import { catchError, distinctUntilChanged, type Observable, of, switchMap } from 'rxjs';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { type Addr, boundAddr, failedAddr, negAddr, pendingAddr, sameAddr } from '../../naming/addr.ts';
import { type Binding, bindTree } from '../../naming/bind.ts';

/** Removes the prefix of transformers (`/%/…`): a namer applies its transformers itself. */
export function withoutTransformers(id: Path): Path {
  if (id[0] !== '%') return id;
  const start = id.findIndex(label => label === '#' || label === '$');
  return start < 0 ? [] : id.slice(start);
}

/** The reason why an id cannot be bound to one name. Unlike a failure to find addresses, this is not an answer. */
export class UnboundId extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.name = 'UnboundId';
    this.cause = cause;
  }
}

/** The live addresses of an id. An unknown id is Neg. One that cannot be bound fails with an UnboundId. */
export function addrOfId(naming: Pick<Binding, 'namers' | 'builtin'>, id: Path): Observable<Addr> {
  const shown = showPath(id);
  return bindTree({ ...naming, dtab: [] }, withoutTransformers(id)).pipe(
    switchMap((state): Observable<Addr> => {
      if (state.state === 'pending') return of(pendingAddr);
      if (state.state === 'failed') return of(failedAddr(new UnboundId(state.error)));
      switch (state.value.type) {
        case 'leaf':
          return state.value.value.addr.pipe(
            catchError(error => of(failedAddr(error instanceof Error ? error : new Error(String(error))))),
          );
        case 'neg':
          return of(negAddr);
        case 'empty':
          return of(boundAddr([]));
        default:
          return of(
            failedAddr(new UnboundId(new Error(`${shown} is not the id of one name: it leads to ${state.value.type}`))),
          );
      }
    }),
    distinctUntilChanged(sameAddr),
  );
}
