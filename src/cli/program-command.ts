/** The command line of the daemons: one config, `--check`, `--json-schema`, help. */
import { Command, Option } from 'commander';
import { version } from '../version.ts';
import { exitCodesHelp } from './exit-codes.ts';

export interface ProgramCommandSpec {
  readonly name: string;
  readonly description: string;
  /** Of the argument: what happens without it. */
  readonly config: string;
  /** One per line, as they are typed, with what they do. */
  readonly examples: string;
}

export interface ProgramFlags {
  readonly check?: true;
  readonly strict?: true;
  readonly live?: true;
  readonly jsonSchema?: true;
}

export function programCommand({ name, description, config, examples }: ProgramCommandSpec): Command {
  return new Command(name)
    .description(description)
    .argument('[config]', config)
    .option('--check', 'check the configuration, report every problem, start nothing')
    .addOption(new Option('--strict', 'with --check: fail on warnings too').implies({ check: true }))
    .addOption(new Option('--live', 'with --check: also try to listen on every address').implies({ check: true }))
    .addOption(new Option('--json-schema', 'print the JSON Schema of the configuration').conflicts('check'))
    .version(`${name} ${version}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', help(examples))
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`${text.replace(/^error: /, `${name}: `)}Try: ${name} --help\n`),
    });
}

const help = (examples: string): string => `
Examples:
${examples}

Signals:
  TERM, INT, QUIT   stop gracefully; a second one stops at once
  HUP               reload the configuration
  USR1              reopen log files

Exit codes:
${exitCodesHelp()}

Environment:
  LINKERD_TCP_LOG=text|json, LINKERD_TCP_LOG_LEVEL=info|warn|error, LINKERD_TCP_NODE=/path/to/node`;
