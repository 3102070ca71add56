/** Releases several scopes together. */
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

/** Ends a scope whose series only the main thread writes, or that no thread has written yet. */
export function endScope(scope: Releasable): void {
  scope.release();
  scope.confirmReleased();
}
