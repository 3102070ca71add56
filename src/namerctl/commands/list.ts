/** `list`: the namespaces, one per line. */
import type { CommandSpec } from '../command-spec.ts';
import { jsonLine } from '../layout.ts';

export const list: CommandSpec = {
  name: 'list',
  aliases: ['ls'],
  summary: 'print the names of all dtabs',
  args: [],
  examples: [
    ['list', 'one name per line'],
    ['list --json', 'a JSON array'],
  ],
  isOfDtab: true,
  async run(session) {
    const names = await session.api.list();
    session.print(session.isJson ? jsonLine(names) : `${names.join('\n')}\n`);
    return undefined;
  },
};
