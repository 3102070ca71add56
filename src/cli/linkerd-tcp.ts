/** The program `linkerd-tcp`: its command line, its exit codes, its signals. */
import { Option } from 'commander';
import { type ConfigSource, readSource } from '../config/source.ts';
import { logEnvironment } from '../log.ts';
import { type Quickstart, startQuickstart } from '../quickstart/quickstart.ts';
import { configSchema, type LinkerdTcpConfig } from '../settings/linkerd-tcp/config.ts';
import { kinds } from '../settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../settings/linkerd-tcp/load.ts';
import { type CheckOptions, checkConfig, type WantedAddress } from './check.ts';
import { exitCodes } from './exit-codes.ts';
import { initialConfig } from './init.ts';
import { exitWith, printSchema, runProgram } from './program.ts';
import { type ProgramFlags, programCommand } from './program-command.ts';

const name = 'linkerd-tcp';

interface Flags extends ProgramFlags {
  readonly quickstart?: true;
}

const command = programCommand({
  name,
  description:
    'A TCP and TLS load balancer that routes by name. New connections follow when a name changes its meaning.',
  config: 'YAML or JSON file, - for standard input',
  examples: `\
  linkerd-tcp /etc/linkerd-tcp.yml           run until SIGTERM or SIGINT; SIGHUP reloads
  linkerd-tcp --check /etc/linkerd-tcp.yml   report every problem and do nothing else
  linkerd-tcp --check - < edge.json          the same for standard input
  linkerd-tcp init > edge.yml                print a first configuration to edit
  linkerd-tcp --json-schema > schema.json    for editors that check YAML while you type`,
}).addOption(new Option('--quickstart', 'also start example backends, and print what to try').conflicts('jsonSchema'));

async function main(): Promise<number> {
  if (process.argv.length === 3 && process.argv[2] === 'init') {
    process.stdout.write(initialConfig);
    return exitCodes.ok.code;
  }
  command.parse();
  const flags = command.opts<Flags>();
  if (flags.jsonSchema) return printSchema(configSchema(kinds));
  const [path] = command.args;
  if (path === undefined) command.error("error: missing argument 'config'");
  const source = await readSource(path);
  if (!flags.check) return run(source, flags);
  logEnvironment();
  const load: CheckOptions['load'] = warned =>
    listening(loadLinkerdTcp({ ...source, purpose: 'check', warned }, kinds));
  return checkConfig({ program: name, file: source.file, ...flags, load });
}

const listening = ({ admin, routers }: LinkerdTcpConfig): readonly WantedAddress[] => [
  { key: 'admin.port', ...admin },
  ...routers.flatMap(({ servers }, i) =>
    servers.map(({ ip, port }, j) => ({ key: `routers[${i}].servers[${j}].port`, ip, port })),
  ),
];

async function run({ file, text }: ConfigSource, flags: Flags): Promise<number> {
  let quickstart: Promise<Quickstart> | undefined;
  return runProgram({
    start: async log => {
      const config = loadLinkerdTcp({ file, text, warned: text => log.warn(text) }, kinds);
      quickstart = flags.quickstart ? startQuickstart(config) : undefined;
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
