/** `restore`: makes an earlier version of a dtab the current one. */
import { LinkerdTcpError } from '../../errors.ts';
import { versionsText, warnOf } from '../after-write.ts';
import { dryRunFlag, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { printChanges } from '../dry-run.ts';
import { jsonLine } from '../layout.ts';
import { jsonBody } from '../namerd-api.ts';

export const restore: CommandSpec = {
  name: 'restore',
  summary: 'make an earlier version of a dtab the current one',
  about:
    'Writes a new version with the content of the old one, also after the dtab was deleted. The history keeps all of them.',
  args: [namespaceArgument, { name: 'version', description: 'as history lists it' }],
  flags: [dryRunFlag],
  examples: [
    ['restore default 11', 'back to how it was'],
    ['restore default 11 --dry-run', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, version], { dryRun }) {
    const namespace = namespaceIn(word);
    if (version === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: 'the version is empty' });
    if (dryRun) {
      const dtab = await session.api.earlier(namespace, version);
      await printChanges(session, namespace, dtab, `namerctl restore ${namespace} ${version}`);
      await warnOf(session, namespace, jsonBody(dtab));
      return undefined;
    }
    const current = await session.api.restore(namespace, version);
    if (session.isJson) session.print(jsonLine({ namespace, restored: version, version: current }));
    else session.print(`Restored ${namespace} to ${version}${await versionsText(session, namespace)}\n`);
    return undefined;
  },
};
