/** `split`: rewrites the one rule of a prefix so that its traffic is divided by weights. */
import { nearest } from '../../config/suggest.ts';
import { parsePrefix } from '../../dtab/parse.ts';
import { showPath, showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { dryRunFlag, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs, diffJson, isSame, showDiff } from '../line-diff.ts';
import { jsonBody } from '../namerd-api.ts';
import { percentsOf } from '../percents.ts';
import { parseShares, placeShares, showShares, treeOf } from '../split-shares.ts';
import { normalDentry, type ShownDtab } from '../stored-dtab.ts';

export const split: CommandSpec = {
  name: 'split',
  summary: 'divide the traffic of one prefix by weights',
  about:
    'Rewrites the one dentry of that prefix and leaves all others as they are; nothing is stored when somebody else changed ' +
    'the dtab meanwhile. Weights are parts of their sum: 9 and 1 are the same as 90 and 10. With % they must be 100% ' +
    'together. What has weight 0 stays in the rule and gets nothing; what is not named leaves the rule.\n\n' +
    'A bare name stands beside the present destinations: where the rule is /srv/a, b is /srv/b. Where that could mean ' +
    'several things, because destinations have different parents or there are alternatives, nothing is guessed: give ' +
    'whole paths.',
  args: [
    namespaceArgument,
    { name: 'prefix', description: 'left side of the dentry' },
    { name: 'share', description: 'where, and its weight: b=10, /cluster/b=10', isRepeated: true },
  ],
  flags: [dryRunFlag],
  examples: [
    ['split default /svc/redis redis1=90 redis2=10', 'a tenth of the connections to redis2, beside redis1'],
    ['split default /svc/redis redis2=100', 'all of them'],
    ['split default /svc/redis /cluster/redis1=1 /old/redis=1', 'half and half, somewhere else'],
    ['split default /svc/redis redis1=1 redis2=1 --dry-run', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, prefixText, ...words], { dryRun }) {
    const namespace = namespaceIn(word);
    const prefix = shownPrefix(prefixText);
    const asked = parseShares(words);
    const stored = await session.api.get(namespace);
    const index = onlyDentry(namespace, stored.dtab, prefix);
    const shares = placeShares(asked, stored.dtab[index].dst, namespace);
    const dentry = { prefix: stored.dtab[index].prefix, dst: showTree(treeOf(shares)) };
    const dtab = stored.dtab.with(index, dentry);
    const lines = diffDtabs(stored.dtab, dtab);
    const willWrite = !isSame(lines) && !dryRun;
    if (willWrite) await session.api.update(namespace, jsonBody(dtab), session.api.versionIn(namespace, stored));
    if (session.isJson) {
      const percents = percentsOf(shares.map(({ weight }) => weight));
      const parts = shares.map(({ path, weight }, i) => ({ path: showPath(path), weight, share: percents[i] }));
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

function meant(prefix: string, dtab: ShownDtab): string {
  const near = nearest(
    prefix,
    dtab.map(dentry => dentry.prefix),
  );
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

function onlyDentry(namespace: string, dtab: ShownDtab, prefix: string): number {
  const found = dtab.flatMap((dentry, i) => (normalDentry(dentry).prefix === prefix ? [i] : []));
  if (found.length === 1) return found[0];
  const reason =
    found.length === 0
      ? `no dentry of ${prefix}${meant(prefix, dtab)}; add one with: namerctl edit ${namespace}`
      : `${found.length} dentries of ${prefix}, which are tried from the last to the first; change them with: namerctl edit ${namespace}`;
  throw new LinkerdTcpError('SPLIT_IMPOSSIBLE', { namespace, reason });
}
