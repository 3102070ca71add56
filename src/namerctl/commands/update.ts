/** `update`: puts a dtab in the place of what is there; with a version only if that is still the present one. */
import { LinkerdTcpError } from '../../errors.ts';
import { versionsText, warnOf } from '../after-write.ts';
import { dryRunFlag, fileArgument, namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec, Flags } from '../command-spec.ts';
import { printChanges } from '../dry-run.ts';
import { type DtabInput, readInput } from '../dtab-input.ts';
import { jsonLine } from '../layout.ts';
import { writing } from '../writing.ts';

export const update: CommandSpec = {
  name: 'update',
  aliases: ['up'],
  summary: 'replace a dtab',
  about:
    'With a version (--version, "version" in a JSON file, or --if-unchanged) nothing is stored when the dtab has changed ' +
    'since. Without one it is replaced whatever it is, and made where it is missing. A "# version" line in a text file is ' +
    'a comment unless --if-unchanged is given.',
  args: [namespaceArgument, fileArgument],
  flags: [
    { flags: '--version <version>', description: 'only if this is the current version' },
    { flags: '--if-unchanged', description: 'only if the version in the file is the current one' },
    dryRunFlag,
  ],
  examples: [
    ['update default default.dtab', 'whatever is there now'],
    ['update default default.dtab --if-unchanged', 'only if it has not changed since: namerctl get default'],
    ['update default - --dry-run < new.dtab', 'only shows what would change'],
  ],
  isOfDtab: true,
  async run(session, [word, file], flags) {
    const namespace = namespaceIn(word);
    const input = await readInput(file, session.terminal);
    refuseNothing(input);
    const version = versionOf(input, flags);
    if (flags.dryRun) {
      await printChanges(session, namespace, input.dtab, `namerctl update ${namespace} ${file}`);
      await warnOf(session, namespace, input.body);
      return undefined;
    }
    const present = await writing(input, () => session.api.update(namespace, input.body, version));
    if (session.isJson) session.print(jsonLine({ namespace, updated: true, version: present }));
    else session.print(`Updated ${namespace}${await versionsText(session, namespace)}\n`);
    await warnOf(session, namespace, input.body);
    return undefined;
  },
};

/** Most likely the program before the pipe failed; an empty dtab would stop all traffic. */
function refuseNothing({ file, text }: DtabInput): void {
  if (text.trim() !== '') return;
  const reason = 'nothing there; write [] to store a dtab without rules';
  throw new LinkerdTcpError('INPUT_INVALID', { file, line: 1, column: 1, reason });
}

function versionOf({ file, version, noted }: DtabInput, { version: flag, ifUnchanged }: Flags): string | undefined {
  // From a script whose variable is empty: it must not mean any version.
  if (flag === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: '--version is empty' });
  const given = typeof flag === 'string' ? flag : undefined;
  if (version !== undefined && given !== undefined && version !== given)
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `--version ${given}, but ${file} is of version ${version}` });
  const found = version ?? (ifUnchanged ? noted : undefined) ?? given;
  if (ifUnchanged && found === undefined)
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `--if-unchanged: there is no version in ${file}` });
  return found;
}
