/** Several scopes that come and go together. */
import type { Scope } from './registry.ts';

/** The end of registrations; see {@link Scope}. */
export type Releasable = Pick<Scope, 'release' | 'confirmReleased'>;

export function joinScopes(...scopes: readonly Releasable[]): Releasable {
  return {
    release: () => {
      for (const scope of scopes) scope.release();
    },
    confirmReleased: () => {
      for (const scope of scopes) scope.confirmReleased();
    },
  };
}

/** For series only the main thread writes to, or that nobody has written to yet. */
export function endScope(scope: Releasable): void {
  scope.release();
  scope.confirmReleased();
}
