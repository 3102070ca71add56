/** The program `linkerd-tcp`: its command line, its exit codes, its signals. */
import { Command, CommanderError, Option } from 'commander';
import { z } from 'zod';
import { kinds } from '../app/config/kinds.ts';
import { configSchema } from '../app/config/linkerd-tcp-config.ts';
import { loadLinkerdTcp } from '../app/config/load.ts';
import type { Outcome } from '../app/linkerd-tcp.ts';
import { startQuickstart } from '../app/quickstart/quickstart.ts';
import { type ConfigSource, readSource } from '../config/source.ts';
import { LinkerdTcpError } from '../errors.ts';
import { createLog } from '../log.ts';
import { version } from '../version.ts';
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit-codes.ts';
import { failureText } from './failure.ts';
import { followSignals } from './signals.ts';
import { Starting } from './starting.ts';

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
  if (options.jsonSchema) return printSchema();
  const [path] = command.args;
  if (path === undefined) command.error("error: missing argument 'config'");
  const source = await readSource(path);
  if (!options.check) return run(source, options);
  loadLinkerdTcp({ ...source, purpose: 'check' }, kinds);
  process.stdout.write(`${name}: ${source.file} is valid\n`);
  return exitCodes.ok.code;
}

function printSchema(): number {
  const schema = z.toJSONSchema(configSchema(kinds), { io: 'input', unrepresentable: 'any' });
  process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  return exitCodes.ok.code;
}

async function run({ file, text }: ConfigSource, options: Options): Promise<number> {
  const starting = new Starting();
  const unfollow = followSignals(starting);
  const config = loadLinkerdTcp({ file, text }, kinds);
  const log = createLog();
  const quickstart = options.quickstart ? startQuickstart(config) : undefined;
  const start = async () => {
    await quickstart;
    // Loaded only now: --check and --help need nothing of it.
    const { startConfigured } = await import('../app/linkerd-tcp.ts');
    return startConfigured(config, { file, log, kinds });
  };
  try {
    const proxy = await Promise.race([start(), starting.stopped]);
    // What has been started by then ends with the process.
    if (typeof proxy === 'string') return codeOfOutcome[proxy];
    starting.become(proxy);
    if (quickstart !== undefined) process.stdout.write((await quickstart).guide(proxy.adminAddress));
    return codeOfOutcome[await proxy.done];
  } finally {
    unfollow();
    // Why it could not start is thrown already.
    await quickstart?.then(
      backends => backends.stop(),
      () => {},
    );
    await log.close();
  }
}

const codeOfOutcome: Readonly<Record<Outcome, number>> = {
  stopped: exitCodes.ok.code,
  aborted: exitCodes.aborted.code,
  died: exitCodes.internal.code,
};

function ended(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
  process.stderr.write(failureText(name, error));
  if (error instanceof LinkerdTcpError && typeof error.details.translation === 'string')
    process.stdout.write(error.details.translation);
  return exitCodeOf(error);
}

process.on('uncaughtException', error => {
  process.exit(ended(error));
});
process.exit(await main().catch(ended));
