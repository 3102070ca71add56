/** "Did you mean": the known word nearest to what was typed. */

/** Edit distance with adjacent transpositions counting once (optimal string alignment). */
export function distance(a: string, b: string): number {
  let twoBack: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], twoBack[j - 2] + 1);
    }
    twoBack = last;
    last = row;
  }
  return last[b.length];
}

/**
 * The nearest of `known`, if it is near enough to be what was meant: a third of the letters may differ, case does not count. A part up
 * to a dot that both have, as in `io.l5d.fs`, is not compared: it makes no word similar.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const typed = word.toLowerCase().slice(0, 64);
  const scope = typed.slice(0, typed.lastIndexOf('.') + 1);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const lower = candidate.toLowerCase();
    const from = lower.startsWith(scope) ? scope.length : 0;
    const far = distance(typed.slice(from), lower.slice(from));
    if (far > Math.max(1, Math.floor((typed.length - from) / 3)) || far >= bestDistance) continue;
    best = candidate;
    bestDistance = far;
  }
  return best;
}
