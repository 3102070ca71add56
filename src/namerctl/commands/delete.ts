/** `delete`: a namespace and its dtab. */
import { LinkerdTcpError } from '../../errors.ts';
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';

export const del: CommandSpec = {
  name: 'delete',
  aliases: ['del', 'rm'],
  summary: 'delete a dtab',
  about: 'Names of that namespace mean nothing from then on: proxies that use it lose their routes.',
  args: [namespaceArgument],
  flags: [{ flags: '--version <version>', description: 'only if this is the present version' }],
  examples: [
    ['delete staging', 'whatever it is by now'],
    ['delete staging --version AAAAAAAAAAE=', 'unless somebody changed it since: namerctl get staging'],
  ],
  isOfDtab: true,
  async run(session, [word], { version }) {
    const namespace = namespaceIn(word);
    // From a script whose variable is empty: it must not mean any version.
    if (version === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: '--version is empty' });
    await session.api.delete(namespace, version as string | undefined);
    session.print(session.isJson ? jsonLine({ namespace, deleted: true }) : `Deleted ${namespace}\n`);
    return undefined;
  },
};
