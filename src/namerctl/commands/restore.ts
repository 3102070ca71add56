/** `restore`: makes an earlier version of a dtab the present one. */
import { LinkerdTcpError } from '../../errors.ts';
import { dryRunFlag, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { printChanges } from '../dry-run.ts';
import { jsonLine } from '../layout.ts';
import type { Session } from '../session.ts';

export const restore: CommandSpec = {
  name: 'restore',
  summary: 'make an earlier version of a dtab the present one',
  about: 'It becomes a new version with the content of the old one; nothing is taken out of the history.',
  args: [namespaceArgument, { name: 'version', description: 'as history lists it' }],
  flags: [dryRunFlag],
  examples: [
    ['restore default AAAAAAAAAAE=', 'back to how it was'],
    ['restore default AAAAAAAAAAE= --dry-run', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, version], { dryRun: isDry }) {
    const namespace = namespaceIn(word);
    if (version === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: 'the version is empty' });
    if (isDry) {
      await dryRun(session, namespace, version);
      return undefined;
    }
    const present = await session.api.restore(namespace, version);
    if (session.isJson) session.print(jsonLine({ namespace, restored: version, version: present }));
    else session.print(`Restored ${namespace} to ${version}${present === undefined ? '' : `, now ${present}`}\n`);
    return undefined;
  },
};

async function dryRun(session: Session, namespace: string, version: string): Promise<void> {
  const past = (await session.api.history(namespace)).find(entry => entry.version === version);
  if (past === undefined)
    throw new LinkerdTcpError('NAMERD_NO_HISTORY', { namespace, reason: `it does not have version ${version}` });
  await printChanges(session, namespace, past.dtab);
}
