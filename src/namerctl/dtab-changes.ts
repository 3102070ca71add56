/**
 * How a dtab changes, as people read it: rules that got another destination, that went, and that came.
 *
 *   ~ /svc/default   /srv/blue  →  /srv/green
 *   - /srv/blue      => /$/inet/127.1/6380
 *   + /svc           => /#/io.l5d.fs
 */
import type { DiffLine } from './line-diff.ts';
import { shareText } from './rule-shares.ts';
import type { ShownDentry } from './stored-dtab.ts';
import type { Paint } from './terminal.ts';

export type Change =
  | { readonly op: 'change'; readonly before: ShownDentry; readonly after: ShownDentry }
  | { readonly op: 'remove' | 'add'; readonly dentry: ShownDentry };

/** A rule that is replaced in its place by one of the same prefix has changed; anything else is removed and added. */
export function changesOf(lines: readonly DiffLine[]): readonly Change[] {
  const changes: Change[] = [];
  for (let i = 0; i < lines.length; ) {
    const end = endOfHunk(lines, i);
    if (end > i) changes.push(...hunkChanges(lines.slice(i, end)));
    i = Math.max(end, i + 1);
  }
  return changes;
}

function endOfHunk(lines: readonly DiffLine[], start: number): number {
  let end = start;
  while (end < lines.length && lines[end].op !== 'keep') end++;
  return end;
}

function hunkChanges(hunk: readonly DiffLine[]): readonly Change[] {
  const added = hunk.filter(({ op }) => op === 'add').map(({ dentry }) => dentry);
  const changes: Change[] = [];
  for (const { op, dentry } of hunk) {
    if (op !== 'remove') continue;
    // Only the next one: taking a later one would hide that the order changed.
    const isReplaced = added[0]?.prefix === dentry.prefix;
    if (isReplaced) changes.push({ op: 'change', before: dentry, after: added.shift()! });
    else changes.push({ op: 'remove', dentry });
  }
  return [...changes, ...added.map((dentry): Change => ({ op: 'add', dentry }))];
}

export function drawChanges(changes: readonly Change[], paint: Paint): string {
  const width = Math.max(...changes.map(change => prefixOf(change).length));
  return changes
    .map(change => {
      const prefix = prefixOf(change).padEnd(width);
      if (change.op === 'change')
        return paint('yellow', `  ~ ${prefix}   ${shareText(change.before.dst)}  →  ${shareText(change.after.dst)}`);
      const isAdded = change.op === 'add';
      return paint(
        isAdded ? 'green' : 'red',
        `  ${isAdded ? '+' : '-'} ${prefix}   => ${shareText(change.dentry.dst)}`,
      );
    })
    .map(line => `${line}\n`)
    .join('');
}

const prefixOf = (change: Change): string => (change.op === 'change' ? change.after : change.dentry).prefix;

/** `1 changed, 2 removed, 1 added` */
export function countChanges(changes: readonly Change[]): string {
  const words = { change: 'changed', remove: 'removed', add: 'added' } as const;
  return Object.entries(words)
    .map(([op, word]) => [changes.filter(change => change.op === op).length, word] as const)
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');
}

/** The one change, or how many there are: for a line of a table. */
export function summary(changes: readonly Change[]): string {
  const [only, ...more] = changes;
  if (only === undefined) return 'no change';
  if (more.length > 0) return countChanges(changes);
  if (only.op === 'change') return `${only.after.prefix}: ${shareText(only.before.dst)} → ${shareText(only.after.dst)}`;
  return `${only.op === 'add' ? 'added' : 'removed'} ${only.dentry.prefix} => ${shareText(only.dentry.dst)}`;
}
