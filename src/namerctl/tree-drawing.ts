/** Trees as lines of text. */

export interface Twig {
  readonly text: string;
  readonly twigs: readonly Twig[];
}

/** The root, then every twig on a line of its own below what it grows from. */
export function drawTree(root: Twig): string {
  let drawing = `${root.text}\n`;
  // A stack instead of recursion: delegation trees may be a thousand deep.
  const rest = inTurn(root.twigs, '');
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { twig, lead, isLast } = next;
    drawing += `${lead}${isLast ? '└─ ' : '├─ '}${twig.text}\n`;
    rest.push(...inTurn(twig.twigs, `${lead}${isLast ? '   ' : '│  '}`));
  }
  return drawing;
}

/** The first one is taken first from the end. */
function inTurn(twigs: readonly Twig[], lead: string) {
  return twigs.map((twig, i) => ({ twig, lead, isLast: i === twigs.length - 1 })).reverse();
}
