/** `split`: rewrites the one rule of a prefix so that its traffic is divided by weights. */
import { nearest } from '../../config/suggest.ts';
import { parsePrefix } from '../../dtab/parse.ts';
import { showPath, showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { versionsText, warnOf } from '../after-write.ts';
import { dryRunFlag, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs, diffJson, isSame } from '../line-diff.ts';
import { jsonBody } from '../namerd-api.ts';
import { percentsOf } from '../percents.ts';
import { parseShares, placeShares, showShares, treeOf } from '../split-shares.ts';
import { deadIn, drawSplit, splitRows } from '../split-table.ts';
import { normalDentry, type ShownDtab } from '../stored-dtab.ts';

export const split: CommandSpec = {
  name: 'split',
  summary: 'divide the traffic of one prefix by weights',
  about:
    'Rewrites the one rule of that prefix and keeps all others; refuses to overwrite a concurrent change, and to send traffic ' +
    'to a destination that resolves to nothing (--force does). Weights are parts of their sum: 9 and 1 are the same as 90 and ' +
    '10; with % they must add up to 100%. A destination with weight 0 stays in the rule without traffic; one that is not named ' +
    'is removed from the rule.\n\n' +
    'A bare name is a sibling of the current destinations: if the rule is /srv/a, b means /srv/b. If that is ambiguous, because ' +
    'destinations have different parents or there are alternatives, split refuses; give full paths.',
  args: [
    namespaceArgument,
    { name: 'prefix', description: 'left side of the dentry' },
    { name: 'share', description: 'where, and its weight: b=10, /cluster/b=10', isRepeated: true },
  ],
  flags: [dryRunFlag, { flags: '--force', description: 'also to a destination that resolves to nothing' }],
  examples: [
    ['split default /svc/redis redis1=90 redis2=10', 'a tenth of the connections to redis2, beside redis1'],
    ['split default /svc/redis redis2=100', 'all of them'],
    ['split default /svc/redis /cluster/redis1=1 /old/redis=1', 'half and half, somewhere else'],
    ['split default /svc/redis redis1=1 redis2=1 --dry-run', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, prefixText, ...words], { dryRun, force }) {
    const namespace = namespaceIn(word);
    const prefix = shownPrefix(prefixText);
    const asked = parseShares(words);
    const stored = await session.api.get(namespace);
    const index = onlyDentry(namespace, stored.dtab, prefix);
    const shares = placeShares(asked, stored.dtab[index].dst, namespace);
    const dentry = { prefix: stored.dtab[index].prefix, dst: showTree(treeOf(shares)) };
    const dtab = stored.dtab.with(index, dentry);
    const lines = diffDtabs(stored.dtab, dtab);
    const rows = await splitRows(session, namespace, stored.dtab[index].dst, shares);
    if (!session.isJson && !isSame(lines)) session.print(`${namespace}  ${prefix}\n${drawSplit(session, rows)}`);
    const dead = deadIn(rows);
    if (dead.length > 0 && !force && !isSame(lines)) throw unresolved(namespace, dead);
    const willWrite = !isSame(lines) && !dryRun;
    if (willWrite) await session.api.update(namespace, jsonBody(dtab), session.api.versionIn(namespace, stored));
    if (session.isJson) {
      const percents = percentsOf(shares.map(({ weight }) => weight));
      const parts = shares.map(({ path, weight }, i) => {
        const { before, addresses } = rows[i];
        return { path: showPath(path), weight, share: percents[i], before, addresses };
      });
      session.print(jsonLine({ namespace, prefix, updated: willWrite, shares: parts, changes: diffJson(lines) }));
    } else {
      const done = willWrite ? `Updated ${namespace}${await versionsText(session, namespace)}` : `Nothing was changed`;
      const already = isSame(lines) ? `: ${prefix} is already ${showShares(shares)}` : '';
      session.print(`${done}${already}\n`);
    }
    if (!isSame(lines)) await warnOf(session, namespace, jsonBody(dtab));
    return undefined;
  },
};

function unresolved(namespace: string, dead: readonly string[]): LinkerdTcpError {
  const verb = dead.length === 1 ? 'resolves' : 'resolve';
  const reason = `${dead.join(', ')} ${verb} to nothing, so that share of the connections would fail`;
  const advice = `Nothing was changed. See why with: namerctl explain -n ${namespace} ${dead[0]}; or use --force.`;
  return new LinkerdTcpError('SPLIT_IMPOSSIBLE', { namespace, reason, advice });
}

function shownPrefix(text: string): string {
  try {
    return showPrefix(parsePrefix(text));
  } catch (error) {
    const hint = text.includes('=') ? '; the namespace comes first: namerctl split default /svc/web …' : '';
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `prefix ${text}: ${reasonOf(error)}${hint}` });
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
      ? `no rule for ${prefix}${meant(prefix, dtab)}; add one with: namerctl edit ${namespace}`
      : `${found.length} rules for ${prefix}, tried from the last to the first; change them with: namerctl edit ${namespace}`;
  throw new LinkerdTcpError('SPLIT_IMPOSSIBLE', { namespace, reason });
}
