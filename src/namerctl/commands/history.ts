/** `history`: the writes to a dtab that namerd remembers: when, by whom, and what changed. */
import { LinkerdTcpError } from '../../errors.ts';
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { changesOf, drawChanges, summary } from '../dtab-changes.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs } from '../line-diff.ts';
import { nameOf, type PastVersion } from '../past-versions.ts';
import type { Session } from '../session.ts';
import { timeText } from '../times.ts';

const defaultLimit = 50;
/** The most that namerd answers at once. */
const longestPage = 1000;

export const history: CommandSpec = {
  name: 'history',
  summary: 'list the versions of a dtab, the newest first',
  about:
    'Shows who wrote each version and what it changed; * marks the current one. Only the namerd of linkerd-tcp keeps a history, ' +
    'and only in SQLite.',
  args: [namespaceArgument],
  flags: [
    { flags: '--diff', description: 'show every changed rule' },
    { flags: '--limit <n>', description: `how many versions (default ${defaultLimit})` },
  ],
  examples: [
    ['history default', 'author, time and change of each version'],
    ['history default --diff --limit 5', 'every rule that the last five writes changed'],
  ],
  isOfDtab: true,
  async run(session, [word], { diff, limit }) {
    const namespace = namespaceIn(word);
    const wanted = limitOf(limit as string | undefined);
    // One more than is shown: what a version changed is known by the one before it.
    const { versions, isMore } = await newest(session, namespace, wanted);
    if (session.isJson) {
      session.print(jsonLine(versions.slice(0, wanted).map(jsonOf)));
      return undefined;
    }
    const rows = versions.slice(0, wanted).map((version, i) => rowOf(version, versions[i + 1], session));
    const cells = [headings, ...rows.map(row => row.cells)];
    const widths = headings.map((_, i) => Math.max(...cells.map(line => line[i].length)));
    for (const [i, line] of cells.entries()) {
      session.print(
        `${line
          .map((cell, column) => cell.padEnd(widths[column]))
          .join('  ')
          .trimEnd()}\n`,
      );
      if (diff && i > 0) session.print(rows[i - 1].drawing);
    }
    if (session.terminal.isTty) session.print(advice(namespace, versions, isMore));
    return undefined;
  },
};

const headings = ['VERSION', 'WHEN', 'BY', 'CHANGE'];
const longestChange = 100;

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit > 0) return limit;
  throw new LinkerdTcpError('USAGE_INVALID', { reason: `--limit ${text}: expected a whole number from 1` });
}

async function newest(session: Session, namespace: string, wanted: number) {
  const versions: PastVersion[] = [];
  let before: number | undefined;
  do {
    const limit = Math.min(wanted + 1 - versions.length, longestPage);
    const page = await session.api.history(namespace, { limit, withDtabs: true, ...(before && { before }) });
    versions.push(...page.versions);
    before = page.next;
  } while (before !== undefined && versions.length <= wanted);
  const isMore = versions.length > wanted || before !== undefined;
  return { versions: await withCurrent(session, namespace, versions), isMore };
}

/** The older form of the history does not mark the current version. */
async function withCurrent(session: Session, namespace: string, versions: readonly PastVersion[]) {
  if (versions.some(({ number }) => number !== undefined)) return versions;
  const { version } = await session.api.getOrEmpty(namespace);
  return versions.map(each => ({ ...each, isCurrent: each.version === version }));
}

function rowOf(version: PastVersion, earlier: PastVersion | undefined, session: Session) {
  const changes = changesOf(diffDtabs(earlier?.dtab ?? [], version.dtab ?? []));
  const { terminal, paint } = session;
  const cells = [
    `${nameOf(version)}${version.isCurrent ? ' *' : ''}`,
    timeText(version.at, terminal.now(), terminal.isTty),
    version.by ?? '-',
    changeText(version, earlier, summary(changes)),
  ];
  return { cells, drawing: version.isDeletion || earlier === undefined ? '' : drawChanges(changes, paint) };
}

function changeText({ isDeletion, restoredFrom, dtab }: PastVersion, earlier: PastVersion | undefined, text: string) {
  if (isDeletion) return 'deleted';
  if (restoredFrom !== undefined) return `restored ${restoredFrom}`;
  if (earlier === undefined || earlier.isDeletion)
    return dtab === undefined ? '' : `${dtab.length} rule${dtab.length === 1 ? '' : 's'}`;
  return text.length > longestChange ? `${text.slice(0, longestChange)}…` : text;
}

/** For a person, who does not know what to do with a list of versions. */
function advice(namespace: string, versions: readonly PastVersion[], isMore: boolean): string {
  const undo = versions.slice(1).find(({ isDeletion }) => !isDeletion);
  const older = isMore ? '  Older ones: --limit' : '';
  const back = undo === undefined ? '' : `  Undo: namerctl restore ${namespace} ${nameOf(undo)}`;
  return `* current.  Every rule: namerctl history ${namespace} --diff${back}${older}\n`;
}

const jsonOf = ({ number, version, at, by, restoredFrom, isCurrent, isDeletion, dtab }: PastVersion): object => ({
  ...(number !== undefined && { number }),
  version,
  at: new Date(at).toISOString(),
  ...(by !== undefined && { by }),
  ...(restoredFrom !== undefined && { restoredFrom }),
  ...(isCurrent && { current: true }),
  ...(isDeletion && { deleted: true }),
  ...(dtab !== undefined && { dtab: dtab.map(({ prefix, dst }) => ({ prefix, dst })) }),
});
