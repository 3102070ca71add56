/** `history`: the versions of a dtab that namerd keeps. */
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';
import { type DiffLine, diffDtabs, showDiff } from '../line-diff.ts';
import type { PastDtab } from '../namerd-api.ts';
import type { ShownDtab, StoredDtab } from '../stored-dtab.ts';

export const history: CommandSpec = {
  name: 'history',
  summary: 'list the versions of a dtab, the newest first',
  about:
    'The present one too; with --json only those that can be restored. Only the namerd of linkerd-tcp keeps a history, and ' +
    'only in stores that can.',
  args: [namespaceArgument],
  flags: [{ flags: '--diff', description: 'show what every version changed' }],
  examples: [
    ['history default', 'when each was written, and how much it changed'],
    ['history default --diff', 'and what'],
  ],
  isOfDtab: true,
  async run(session, [word], { diff }) {
    const namespace = namespaceIn(word);
    const versions = await session.api.history(namespace);
    if (session.isJson) {
      session.print(
        jsonLine(versions.map(({ version, at, dtab }) => ({ version, at: new Date(at).toISOString(), dtab }))),
      );
      return undefined;
    }
    const all = withPresent(await session.api.getOrEmpty(namespace), versions);
    const rows = all.map((version, i) => rowOf(version, all[i + 1]));
    const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map(({ cells }) => cells[i].length)));
    const line = (cells: readonly string[]) =>
      `${cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd()}\n`;
    session.print(line(headings));
    for (const { cells, lines } of rows) {
      session.print(line(cells));
      if (diff) session.print(showDiff(lines, session.paint).replace(/^(?=.)/gm, '  '));
    }
    return undefined;
  },
};

const headings = ['VERSION', 'AT', 'DENTRIES', 'CHANGE'];

interface Row {
  readonly version: string;
  /** Of the present version namerd does not say when it was written, unless its history has it too. */
  readonly at: number | undefined;
  readonly dtab: ShownDtab;
}

function withPresent({ version, dtab }: StoredDtab, past: readonly PastDtab[]): readonly Row[] {
  const isMissing = version !== undefined && past.every(entry => entry.version !== version);
  return isMissing ? [{ version, at: undefined, dtab }, ...past] : past;
}

/** @param earlier the version it replaced, where that is still kept */
function rowOf({ version, at, dtab }: Row, earlier: Row | undefined) {
  const lines: readonly DiffLine[] = earlier ? diffDtabs(earlier.dtab, dtab) : [];
  const count = (op: DiffLine['op']) => lines.filter(line => line.op === op).length;
  const change = earlier ? `+${count('add')} -${count('remove')}` : '';
  return {
    cells: [version, at === undefined ? 'present' : new Date(at).toISOString(), String(dtab.length), change],
    lines,
  };
}
