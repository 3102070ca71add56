/** The program `namerd`: its command line, its exit codes, its signals. */
import { Command, Option } from 'commander';
import { loadNamerd, type NamerdSource, withoutConfig } from '../app/config/load-namerd.ts';
import { namerdSchema } from '../app/config/namerd-config.ts';
import { namerdKinds } from '../app/config/namerd-kinds.ts';
import { readSource } from '../config/source.ts';
import { version } from '../version.ts';
import { exitCodes, exitCodesHelp } from './exit-codes.ts';
import { exitWith, printSchema, runProgram } from './program.ts';

const name = 'namerd';

interface Options {
  readonly check?: true;
  readonly jsonSchema?: true;
}

const help = `
Examples:
  namerd                           dtabs in the working directory, API on 127.0.0.1:4180, admin on 127.0.0.1:9991
  namerd /etc/namerd.yml           run until SIGTERM or SIGINT
  namerd --check /etc/namerd.yml   report every problem and do nothing else
  namerd --check - < namerd.json   the same for standard input
  namerd --json-schema > s.json    for editors that check YAML while you type

Exit codes:
${exitCodesHelp()}

Environment:
  LINKERD_TCP_LOG=text|json, LINKERD_TCP_LOG_LEVEL=info|warn|error, LINKERD_TCP_NODE=/path/to/node`;

const command = new Command(name)
  .description('Keeps routing policy (dtabs), watches service discovery, and tells proxies what names mean, live.')
  .argument('[config]', 'YAML or JSON file, - for standard input; without one a store in the working directory')
  .option('--check', 'check the configuration, report every problem, start nothing')
  .addOption(new Option('--json-schema', 'print the JSON Schema of the configuration').conflicts('check'))
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
  if (options.jsonSchema) return printSchema(namerdSchema(namerdKinds));
  const [path] = command.args;
  if (path === undefined && options.check) command.error("error: missing argument 'config'");
  const source = path === undefined ? withoutConfig : await readSource(path);
  if (!options.check) return run(source);
  loadNamerd({ ...source, purpose: 'check' }, namerdKinds);
  process.stdout.write(`${name}: ${source.file} is valid\n`);
  return exitCodes.ok.code;
}

const run = ({ file, text }: NamerdSource): Promise<number> =>
  runProgram({
    start: async log => {
      const config = loadNamerd({ file, text }, namerdKinds);
      // Loaded only now: --check and --help need nothing of it.
      const { startNamerd } = await import('../app/namerd.ts');
      return startNamerd(config, { file, log, kinds: namerdKinds });
    },
  });

await exitWith(name, main);
