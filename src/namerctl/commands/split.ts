/** `split`: rewrites the one rule of a prefix so that its traffic is divided by weights. */
import { parsePrefix } from '../../dtab/parse.ts';
import { showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { dryRunFlag, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs, diffJson, isSame, showDiff } from '../line-diff.ts';
import { jsonBody } from '../namerd-api.ts';
import { parseShares, percentsOf, showShares, treeOf } from '../split-shares.ts';
import { normalDentry, type ShownDtab } from '../stored-dtab.ts';

export const split: CommandSpec = {
  name: 'split',
  summary: 'divide the traffic of one prefix by weights',
  about:
    'Rewrites the one dentry of that prefix and leaves all others as they are; nothing is stored when somebody else changed ' +
    'the dtab meanwhile. Weights are parts of their sum: 9 and 1 are the same as 90 and 10. A single path gets everything.',
  args: [
    namespaceArgument,
    { name: 'prefix', description: 'left side of the dentry' },
    { name: 'share', description: 'a path and its weight, /cluster/a=90', isRepeated: true },
  ],
  flags: [dryRunFlag],
  examples: [
    ['split default /svc/redis /cluster/redis1=90 /cluster/redis2=10', 'a tenth of the connections to redis2'],
    ['split default /svc/redis /cluster/redis2=100', 'all of them'],
    ['split default /svc/redis /a=1 /b=1 --dry-run', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, prefixText, ...words], { dryRun }) {
    const namespace = namespaceIn(word);
    const prefix = shownPrefix(prefixText);
    const shares = parseShares(words);
    const stored = await session.api.get(namespace);
    const index = onlyDentry(namespace, stored.dtab, prefix);
    const dentry = { prefix: stored.dtab[index].prefix, dst: showTree(treeOf(shares)) };
    const dtab = stored.dtab.with(index, dentry);
    const lines = diffDtabs(stored.dtab, dtab);
    const willWrite = !isSame(lines) && !dryRun;
    if (willWrite) await session.api.update(namespace, jsonBody(dtab), session.api.versionIn(namespace, stored));
    if (session.isJson) {
      const percents = percentsOf(shares.map(({ weight }) => weight));
      const parts = shares.map(({ weight }, i) => ({ path: words[i].replace(/=.*$/, ''), weight, share: percents[i] }));
      session.print(jsonLine({ namespace, prefix, updated: willWrite, shares: parts, changes: diffJson(lines) }));
    } else {
      session.print(showDiff(lines, session.paint));
      const done = willWrite ? 'Updated' : isSame(lines) ? 'No changes to' : 'Would update';
      session.print(`${done} ${namespace}: ${prefix} is ${showShares(shares)}\n`);
    }
    return undefined;
  },
};

function shownPrefix(text: string): string {
  try {
    return showPrefix(parsePrefix(text));
  } catch (error) {
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `prefix ${text}: ${reasonOf(error)}` });
  }
}

function onlyDentry(namespace: string, dtab: ShownDtab, prefix: string): number {
  const found = dtab.flatMap((dentry, i) => (normalDentry(dentry).prefix === prefix ? [i] : []));
  if (found.length === 1) return found[0];
  const reason =
    found.length === 0
      ? `no dentry of ${prefix}; add one with: namerctl edit ${namespace}`
      : `${found.length} dentries of ${prefix}, which are tried from the last to the first; change them with: namerctl edit ${namespace}`;
  throw new LinkerdTcpError('SPLIT_IMPOSSIBLE', { namespace, reason });
}
