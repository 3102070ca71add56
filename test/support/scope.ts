/** Whatever cleans up when it is over: a test's context, or a script's own. */

export interface Scope {
  after(release: () => unknown): void;
}

/** Runs `body` with a scope outside of node:test and releases everything it took, whatever happens. */
export async function withScope<T>(body: (scope: Scope) => Promise<T>): Promise<T> {
  const releases: (() => unknown)[] = [];
  try {
    return await body({ after: release => void releases.push(release) });
  } finally {
    for (const release of releases.reverse()) await release();
  }
}
