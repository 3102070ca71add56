/** `delete`: a namespace and its dtab. */
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';

export const del: CommandSpec = {
  name: 'delete',
  aliases: ['del', 'rm'],
  summary: 'delete a dtab',
  args: [namespaceArgument],
  examples: [['delete staging', 'names of that namespace mean nothing from then on']],
  isOfDtab: true,
  async run(session, [word]) {
    const namespace = namespaceIn(word);
    await session.api.delete(namespace);
    session.print(`Deleted ${namespace}\n`);
    return undefined;
  },
};
