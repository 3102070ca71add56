/** The program `linkerd-tcp`: its command line, its exit codes, its signals. */
import { Command, Option } from 'commander';
import { kinds } from '../app/config/kinds.ts';
import { configSchema } from '../app/config/linkerd-tcp-config.ts';
import { loadLinkerdTcp } from '../app/config/load.ts';
import { type Quickstart, startQuickstart } from '../app/quickstart/quickstart.ts';
import { type ConfigSource, readSource } from '../config/source.ts';
import { version } from '../version.ts';
import { exitCodes, exitCodesHelp } from './exit-codes.ts';
import { exitWith, printSchema, runProgram } from './program.ts';

const name = 'linkerd-tcp';

interface Options {
  readonly check?: true;
  readonly quickstart?: true;
  readonly jsonSchema?: true;
}

const help = `
Examples:
  linkerd-tcp /etc/linkerd-tcp.yml           run until SIGTERM or SIGINT; SIGHUP reloads
  linkerd-tcp --check /etc/linkerd-tcp.yml   report every problem and do nothing else
  linkerd-tcp --check - < edge.json          the same for standard input
  linkerd-tcp --json-schema > schema.json    for editors that check YAML while you type

Exit codes:
${exitCodesHelp()}

Environment:
  LINKERD_TCP_LOG=text|json, LINKERD_TCP_LOG_LEVEL=info|warn|error, LINKERD_TCP_NODE=/path/to/node`;

const command = new Command(name)
  .description('A TCP load balancer that finds its backends by name and follows the name as its meaning changes.')
  .argument('[config]', 'YAML or JSON file, - for standard input')
  .option('--check', 'check the configuration, report every problem, start nothing')
  .option('--quickstart', 'also start small example backends and say what to try')
  .addOption(
    new Option('--json-schema', 'print the JSON Schema of the configuration').conflicts(['check', 'quickstart']),
  )
  .version(`${name} ${version}`, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .addHelpText('after', help)
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => write(`${text.replace(/^error: /, `${name}: `)}Try: ${name} --help\n`),
  });

async function main(): Promise<number> {
  command.parse();
  const options = command.opts<Options>();
  if (options.jsonSchema) return printSchema(configSchema(kinds));
  const [path] = command.args;
  if (path === undefined) command.error("error: missing argument 'config'");
  const source = await readSource(path);
  if (!options.check) return run(source, options);
  loadLinkerdTcp({ ...source, purpose: 'check' }, kinds);
  process.stdout.write(`${name}: ${source.file} is valid\n`);
  return exitCodes.ok.code;
}

async function run({ file, text }: ConfigSource, options: Options): Promise<number> {
  let quickstart: Promise<Quickstart> | undefined;
  return runProgram({
    start: async log => {
      const config = loadLinkerdTcp({ file, text }, kinds);
      quickstart = options.quickstart ? startQuickstart(config) : undefined;
      await quickstart;
      // Loaded only now: --check and --help need nothing of it.
      const { startConfigured } = await import('../app/linkerd-tcp.ts');
      return startConfigured(config, { file, log, kinds });
    },
    started: async proxy => {
      if (quickstart !== undefined) process.stdout.write((await quickstart).guide(proxy.adminAddress));
    },
    ended: async () => {
      // Why it could not start is thrown already.
      await quickstart?.then(
        backends => backends.stop(),
        () => {},
      );
    },
  });
}

await exitWith(name, main);
