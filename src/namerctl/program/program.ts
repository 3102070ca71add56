/** The command line: the table of commands as commander's tree, run with a terminal. */
import { Command, CommanderError, Option } from 'commander';
import { nearest } from '../../config/suggest.ts';
import { version } from '../../version.ts';
import { defaultBaseUrl } from '../base-url.ts';
import { plainFlags } from '../bool-flags.ts';
import type { Argument, CommandSpec, Flag, Flags } from '../command-spec.ts';
import { commonFlags } from '../common-flags.ts';
import { discreet } from '../discreet.ts';
import { exitCodeOf, exitCodes, exitCodesHelp } from '../exit-codes.ts';
import { failureText } from '../failure.ts';
import { Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { commandNames, commandsFor } from './commands.ts';

const name = 'namerctl';

const rootHelp = `
Examples:
  namerctl list                                  the namespaces of the namerd on this machine
  namerctl get default > default.dtab            a dtab as text, ready to edit
  namerctl update default default.dtab           and back
  namerctl edit default                          both, in your editor, safe against changes by others
  namerctl split default /svc/web v1=90 v2=10    a tenth of the traffic to v2, beside v1
  namerctl explain /svc/web                      what a name means, step by step

Where namerd is, the first of these that is set:
  --base-url, $NAMERCTL_BASE_URL, base-url in the nearest .namerctl.{json,yaml,yml,toml,properties,hcl}
  from here upwards, ${defaultBaseUrl}
In the same way: token-file, tls-ca, tls-cert, tls-key.

Environment:
  NAMERCTL_BASE_URL, NAMERCTL_TOKEN, NAMERCTL_TOKEN_FILE, NAMERCTL_TLS_CA, NAMERCTL_TLS_CERT, NAMERCTL_TLS_KEY,
  NAMERCTL_TIMEOUT, VISUAL or EDITOR (for edit), NO_COLOR, LINKERD_TCP_NODE=/path/to/node

Exit codes:
${exitCodesHelp()}`;

/** @returns the exit code; everything said has been said on the terminal */
export async function runNamerctl(args: readonly string[], given: Terminal): Promise<number> {
  const secrets = new Set<string>();
  const terminal = discreet(given, secrets);
  try {
    let code: number = exitCodes.ok.code;
    const commands = await commandsFor(args);
    const root = commandTree(terminal, commands, async (spec, command) => {
      const flags = flagsOf(command);
      const session = new Session(terminal, flags, word => secrets.add(word));
      try {
        if (!spec.isOffline) await session.connect();
        code = (await spec.run(session, command.args, flags)) ?? exitCodes.ok.code;
      } finally {
        await session.close();
      }
    });
    await root.parseAsync(plainFlags(args, ['json', 'pretty', 'help', ...switches(commands)]), { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    terminal.complain(failureText(error));
    return exitCodeOf(error);
  }
}

/** Names of the flags of all commands that take no value. */
const switches = (commands: readonly CommandSpec[]): string[] =>
  commands.flatMap(({ flags = [] }) =>
    flags
      .filter(flag => !flag.flags.includes('<'))
      .map(flag => new Option(flag.flags).long?.replace(/^--(no-)?/, '') ?? ''),
  );

type Run = (spec: CommandSpec, command: Command) => Promise<void>;

function commandTree(terminal: Terminal, commands: readonly CommandSpec[], run: Run): Command {
  const root = new Command(name)
    .description("The operator's command line for namerd: routing policy (dtabs) and what names mean.")
    .version(`${name} ${version}`, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: text => terminal.print(text), writeErr: text => terminal.complain(text) });
  grouping(root);
  for (const spec of commands) addCommand(root, spec, run);
  const dtab = root.command('dtab').summary('the commands for dtabs, as the original namerctl has them');
  grouping(dtab.description('Reads and writes dtabs. Every command is there without the word dtab, too.'));
  for (const spec of commands) if (spec.isOfDtab) addCommand(dtab, spec, run);
  return root.addHelpText('after', rootHelp);
}

/** A command of commands: alone it prints its help; for an unknown word it suggests the nearest. */
function grouping(command: Command): void {
  common(command)
    .usage('<command> [options]')
    .helpCommand('help [command]', 'print the help of a command')
    .enablePositionalOptions()
    .allowExcessArguments()
    .action(() => {
      const [word] = command.args;
      if (word === undefined) {
        command.outputHelp();
        return;
      }
      const meant = nearest(word, [...commandNames, 'dtab']);
      command.error(`error: unknown command '${word}'${meant === undefined ? '' : `\n(Did you mean ${meant}?)`}`);
    });
}

function addCommand(parent: Command, spec: CommandSpec, run: Run): void {
  const command = parent
    .command(spec.name)
    .allowExcessArguments(false)
    .aliases(spec.aliases ?? [])
    .summary(spec.summary)
    .description(descriptionOf(spec));
  for (const argument of spec.args) command.argument(argumentText(argument), argument.description);
  for (const flag of spec.flags ?? []) addFlag(command, flag);
  common(command);
  const width = Math.max(...spec.examples.map(([line]) => line.length));
  const examples = spec.examples.map(([line, meaning]) => `  namerctl ${line.padEnd(width)}  ${meaning}`);
  command.addHelpText('after', `\nExamples:\n${examples.join('\n')}`);
  command.action(() => run(spec, command));
}

/** commander's usage line has one alias at most. */
function descriptionOf({ summary, about, aliases = [] }: CommandSpec): string {
  const also = aliases.length > 1 ? ` Also: ${aliases.join(', ')}.` : '';
  return `${summary[0].toUpperCase()}${summary.slice(1)}.${also}${about ? `\n\n${about}` : ''}`;
}

const argumentText = ({ name: word, isRepeated }: Argument): string => (isRepeated ? `<${word}...>` : `<${word}>`);

function addFlag(command: Command, { flags, description, isOn }: Flag): void {
  const long = new Option(flags).long;
  if (isOn) {
    command.addOption(new Option(flags, description).default(true, 'true'));
    command.addOption(new Option(`--no-${long?.slice(2)}`, `the same as ${long}=false`));
  } else {
    command.option(flags, description);
    // For --flag=false.
    if (!flags.includes('<')) command.addOption(new Option(`--no-${long?.slice(2)}`).hideHelp());
  }
}

function common(command: Command): Command {
  for (const flag of commonFlags) addFlag(command, flag);
  return command.helpOption('-h, --help', 'print this help').configureOutput({
    outputError: (text, write) => {
      const words = [command.name()];
      for (let parent = command.parent; parent; parent = parent.parent) words.unshift(parent.name());
      write(`${text.replace(/^error: /, `${name}: `)}Try: ${words.join(' ')} --help\n`);
    },
  });
}

/** The flag nearest to the command counts. */
function flagsOf(command: Command): Flags {
  const own = Object.fromEntries(Object.entries(command.opts<Flags>()).filter(([, value]) => value !== undefined));
  return command.parent ? { ...flagsOf(command.parent), ...own } : own;
}
