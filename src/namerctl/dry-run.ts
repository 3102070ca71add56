/** What a command that changes nothing says: how the dtab would change. */
import { jsonLine } from './layout.ts';
import { diffDtabs, diffJson, isSame, showDiff } from './line-diff.ts';
import type { Session } from './session.ts';
import type { ShownDtab } from './stored-dtab.ts';

export async function printChanges(session: Session, namespace: string, after: ShownDtab): Promise<void> {
  const { version, dtab } = await session.api.getOrEmpty(namespace);
  const lines = diffDtabs(dtab, after);
  if (session.isJson) session.print(jsonLine({ namespace, version, updated: false, changes: diffJson(lines) }));
  else session.print(isSame(lines) ? `No changes to ${namespace}\n` : showDiff(lines, session.paint));
}
