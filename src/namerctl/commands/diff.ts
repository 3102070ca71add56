/** `diff`: what an update with a file would change. */
import { newest, warnOf } from '../after-write.ts';
import { fileArgument, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { applyText, changesText } from '../dry-run.ts';
import { readInput } from '../dtab-input.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';
import { diffDtabs, diffJson, isSame } from '../line-diff.ts';
import { nameOf } from '../past-versions.ts';

export const diff: CommandSpec = {
  name: 'diff',
  summary: 'show how a dtab differs from a file',
  about:
    '~ is a rule with another destination, - one that goes, + one that comes. Rules that mean the same are equal, however they ' +
    'are written. The order counts, because the last rule that matches wins. Without differences a script gets no output.',
  args: [namespaceArgument, fileArgument],
  flags: [{ flags: '--exit-code', description: 'end with 1 where they differ' }],
  examples: [
    ['diff default default.dtab', 'changes that an update with the file would make'],
    ['diff default default.dtab --exit-code', 'for a check in a script'],
  ],
  isOfDtab: true,
  async run(session, [word, path], { exitCode }) {
    const namespace = namespaceIn(word);
    const { file, dtab, body } = await readInput(path, session.terminal);
    const stored = await session.api.get(namespace);
    const lines = diffDtabs(stored.dtab, dtab);
    if (session.isJson) {
      session.print(jsonLine({ namespace, version: stored.version, file, changes: diffJson(lines) }));
    } else if (!isSame(lines) || session.terminal.isTty) {
      const [current] = (await newest(session, namespace)) ?? [];
      const version = current === undefined ? '' : ` (version ${nameOf(current)})`;
      session.print(`${session.paint('bold', `${namespace}${version}  →  ${file}`)}\n`);
      session.print(changesText(session, lines) + applyText(lines, `namerctl update ${namespace} ${path}`));
    }
    if (!isSame(lines)) await warnOf(session, namespace, body);
    return exitCode && !isSame(lines) ? exitCodes.refused.code : undefined;
  },
};
