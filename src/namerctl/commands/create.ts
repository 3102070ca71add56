/** `create`: a new namespace. */
import { warnOf } from '../after-write.ts';
import { fileArgument, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { readInput } from '../dtab-input.ts';
import { jsonLine } from '../layout.ts';
import { writing } from '../writing.ts';

export const create: CommandSpec = {
  name: 'create',
  aliases: ['new'],
  summary: 'store a dtab under a new name',
  args: [{ ...namespaceArgument, completes: [] }, fileArgument],
  examples: [
    ['create staging staging.dtab', 'fails where staging exists'],
    ["create staging - <<< '/svc => /#/io.l5d.fs'", 'from standard input'],
  ],
  isOfDtab: true,
  async run(session, [word, file]) {
    const namespace = namespaceIn(word);
    const input = await readInput(file, session.terminal);
    const version = await writing(input, () => session.api.create(namespace, input.body));
    session.print(session.isJson ? jsonLine({ namespace, created: true, version }) : `Created ${namespace}\n`);
    await warnOf(session, namespace, input.body);
    return undefined;
  },
};
