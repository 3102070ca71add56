/** `diff`: what an update with a file would change. */
import { fileArgument, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { readInput } from '../dtab-input.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs, diffJson, isSame, showDiff } from '../line-diff.ts';

export const diff: CommandSpec = {
  name: 'diff',
  summary: 'show how a dtab differs from a file',
  about:
    'Prints nothing where they mean the same, however they are written. The order of dentries counts, because the last ' +
    'rule wins.',
  args: [namespaceArgument, fileArgument],
  flags: [{ flags: '--exit-code', description: 'end with 1 where they differ' }],
  examples: [
    ['diff default default.dtab', 'lines with - are stored now, lines with + are in the file'],
    ['diff default default.dtab --exit-code', 'for a check in a script'],
  ],
  isOfDtab: true,
  async run(session, [word, path], { exitCode }) {
    const namespace = namespaceIn(word);
    const { file, dtab } = await readInput(path, session.terminal);
    const stored = await session.api.get(namespace);
    const lines = diffDtabs(stored.dtab, dtab);
    if (session.isJson) {
      session.print(jsonLine({ namespace, version: stored.version, file, changes: diffJson(lines) }));
    } else if (!isSame(lines)) {
      const version = stored.version === undefined ? '' : ` version ${stored.version}`;
      session.print(`${session.paint('bold', `--- ${namespace}${version}\n+++ ${file}`)}\n`);
      session.print(showDiff(lines, session.paint));
    }
    return exitCode && !isSame(lines) ? exitCodes.refused.code : undefined;
  },
};
