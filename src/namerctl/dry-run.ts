/** How a dtab would change, as `diff` and every `--dry-run` show it. */
import { type Change, changesOf, countChanges, drawChanges } from './dtab-changes.ts';
import { jsonLine } from './layout.ts';
import { type DiffLine, diffDtabs, diffJson } from './line-diff.ts';
import type { Session } from './session.ts';
import type { ShownDtab } from './stored-dtab.ts';

/** @param apply the command that makes the change */
export async function printChanges(
  session: Session,
  namespace: string,
  after: ShownDtab,
  apply: string,
): Promise<void> {
  const { version, dtab } = await session.api.getOrEmpty(namespace);
  const lines = diffDtabs(dtab, after);
  if (session.isJson) session.print(jsonLine({ namespace, version, updated: false, changes: diffJson(lines) }));
  else session.print(`${changesText(session, lines)}${applyText(lines, apply)}`);
}

/** Rules that change, then how many. */
export function changesText(session: Session, lines: readonly DiffLine[]): string {
  const changes = changesOf(lines);
  if (changes.length === 0) return 'No differences\n';
  return `${drawChanges(changes, session.paint)}${countChanges(changes)}. Names affected: ${affected(changes)}\n`;
}

export const applyText = (lines: readonly DiffLine[], apply: string): string =>
  lines.every(({ op }) => op === 'keep') ? '' : `Apply with: ${apply}\n`;

const mostPrefixes = 5;

/** The prefixes whose names may resolve differently. */
function affected(changes: readonly Change[]): string {
  const prefixes = new Set(changes.map(change => (change.op === 'change' ? change.after : change.dentry).prefix));
  const more = prefixes.size > mostPrefixes ? `, and ${prefixes.size - mostPrefixes} more` : '';
  return `${[...prefixes].slice(0, mostPrefixes).join(', ')}${more}`;
}
