/** `get`: a dtab with its version, aligned; on one line; or as JSON. */
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { denseDtab, jsonDtab, prettyDtab } from '../layout.ts';

export const get: CommandSpec = {
  name: 'get',
  aliases: ['cat'],
  summary: 'print a dtab',
  args: [namespaceArgument],
  flags: [{ flags: '--pretty', description: 'one dentry per line, arrows below each other', isOn: true }],
  examples: [
    ['get default', 'with its version, one dentry per line'],
    ['get default --pretty=false', 'on one line, without the version'],
    ['get default --json', 'for a safe update later: namerctl update default FILE'],
  ],
  isOfDtab: true,
  async run(session, [namespace], { pretty }) {
    const stored = await session.api.get(namespaceIn(namespace));
    if (session.isJson) session.print(jsonDtab(stored));
    else session.print(pretty ? prettyDtab(stored) : denseDtab(stored.dtab));
    return undefined;
  },
};
