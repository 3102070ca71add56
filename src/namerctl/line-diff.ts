/** The difference of two dtabs, dentry by dentry: their order counts, because the last rule wins. */
import { alignedLines, longestPrefix } from './layout.ts';
import { normalDentry, type ShownDentry, type ShownDtab } from './stored-dtab.ts';
import type { Paint } from './terminal.ts';

export interface DiffLine {
  readonly op: 'keep' | 'remove' | 'add';
  readonly dentry: ShownDentry;
}

/** Cells of the table of common lengths; beyond it everything between the common ends counts as replaced. */
const largestTable = 4_000_000;

/** A shortest one (longest common subsequence). Other spellings of the same dentry are no difference. */
export function diffDtabs(before: ShownDtab, after: ShownDtab): readonly DiffLine[] {
  const a = before.map(keyOf);
  const b = after.map(keyOf);
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const keep = (dentry: ShownDentry): DiffLine => ({ op: 'keep', dentry });
  return [
    ...after.slice(0, head).map(keep),
    ...diffMiddle(
      { keys: a.slice(head, a.length - tail), dentries: before.slice(head, a.length - tail) },
      { keys: b.slice(head, b.length - tail), dentries: after.slice(head, b.length - tail) },
    ),
    ...after.slice(b.length - tail).map(keep),
  ];
}

export const isSame = (diff: readonly DiffLine[]): boolean => diff.every(({ op }) => op === 'keep');

function keyOf(dentry: ShownDentry): string {
  const { prefix, dst } = normalDentry(dentry);
  return `${prefix}=>${dst}`;
}

interface Side {
  readonly keys: readonly string[];
  readonly dentries: ShownDtab;
}

function diffMiddle(a: Side, b: Side): DiffLine[] {
  const removed = a.dentries.map((dentry): DiffLine => ({ op: 'remove', dentry }));
  const added = b.dentries.map((dentry): DiffLine => ({ op: 'add', dentry }));
  const [rows, columns] = [a.keys.length + 1, b.keys.length + 1];
  if (rows === 1 || columns === 1 || rows * columns > largestTable) return [...removed, ...added];
  // common[i * columns + j]: the longest common subsequence of a from i and b from j.
  const common = new Uint32Array(rows * columns);
  for (let i = rows - 2; i >= 0; i--)
    for (let j = columns - 2; j >= 0; j--)
      common[i * columns + j] =
        a.keys[i] === b.keys[j]
          ? common[(i + 1) * columns + j + 1] + 1
          : Math.max(common[(i + 1) * columns + j], common[i * columns + j + 1]);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < rows - 1 && j < columns - 1) {
    if (a.keys[i] === b.keys[j]) {
      lines.push({ op: 'keep', dentry: b.dentries[j++] });
      i++;
    } else if (common[(i + 1) * columns + j] >= common[i * columns + j + 1]) lines.push(removed[i++]);
    else lines.push(added[j++]);
  }
  return [...lines, ...removed.slice(i), ...added.slice(j)];
}

/** Kept lines around a change that are shown. */
const contextLines = 3;
const marks = { keep: ' ', remove: '-', add: '+' } as const;

/** Lines as `diff -u` writes them, without the headings; longer stretches of kept lines are one `@@`. Empty without a change. */
export function showDiff(diff: readonly DiffLine[], paint: Paint): string {
  if (isSame(diff)) return '';
  const width = longestPrefix(diff.map(({ dentry }) => dentry));
  const isNear = diff.map((_, i) =>
    diff.slice(Math.max(0, i - contextLines), i + contextLines + 1).some(({ op }) => op !== 'keep'),
  );
  let text = '';
  for (const [i, { op, dentry }] of diff.entries()) {
    if (!isNear[i]) {
      if (i === 0 || isNear[i - 1]) text += `${paint('dim', '@@')}\n`;
      continue;
    }
    const line = `${marks[op]}${alignedLines([dentry], width)[0]}`;
    text += `${op === 'keep' ? line : paint(op === 'add' ? 'green' : 'red', line)}\n`;
  }
  return text;
}

/** The changes alone, for programs. */
export const diffJson = (diff: readonly DiffLine[]): readonly object[] =>
  diff.filter(({ op }) => op !== 'keep').map(({ op, dentry: { prefix, dst } }) => ({ op, prefix, dst }));
