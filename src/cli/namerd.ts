/** The program `namerd`: its command line, its exit codes, its signals. */

import { readSource } from '../config/source.ts';
import { logEnvironment } from '../log.ts';
import { type NamerdConfig, namerdSchema } from '../settings/namerd/config.ts';
import { namerdKinds } from '../settings/namerd/kinds.ts';
import { loadNamerd, type NamerdSource, withoutConfig } from '../settings/namerd/load.ts';
import { type CheckOptions, checkConfig, type WantedAddress } from './check.ts';
import { exitWith, printSchema, runProgram } from './program.ts';
import { type ProgramFlags, programCommand } from './program-command.ts';

const name = 'namerd';

const command = programCommand({
  name,
  description: 'Keeps routing policy (dtabs), watches service discovery, and tells proxies what names mean, live.',
  config: 'YAML or JSON file, - for standard input; without one a store in the working directory',
  examples: `\
  namerd                           dtabs in the working directory, API on 127.0.0.1:4180, admin on 127.0.0.1:9991
  namerd /etc/namerd.yml           run until SIGTERM or SIGINT
  namerd --check /etc/namerd.yml   report every problem and do nothing else
  namerd --check - < namerd.json   the same for standard input
  namerd --json-schema > s.json    for editors that check YAML while you type`,
});

async function main(): Promise<number> {
  command.parse();
  const flags = command.opts<ProgramFlags>();
  if (flags.jsonSchema) return printSchema(namerdSchema(namerdKinds));
  const [path] = command.args;
  if (path === undefined && flags.check) command.error("error: missing argument 'config'");
  const source = path === undefined ? withoutConfig : await readSource(path);
  if (!flags.check) return run(source);
  logEnvironment();
  const load: CheckOptions['load'] = warned =>
    listening(loadNamerd({ ...source, purpose: 'check', warned }, namerdKinds));
  return checkConfig({ program: name, file: source.file, ...flags, load });
}

const listening = ({ admin, interfaces }: NamerdConfig): readonly WantedAddress[] => [
  { key: 'admin.port', ...admin },
  ...interfaces.flatMap(({ ip, port }, i) =>
    typeof ip === 'string' && typeof port === 'number' ? [{ key: `interfaces[${i}].port`, ip, port }] : [],
  ),
];

const run = ({ file, text }: NamerdSource): Promise<number> =>
  runProgram({
    start: async log => {
      const config = loadNamerd({ file, text, warned: text => log.warn(text) }, namerdKinds);
      // Loaded only now: --check and --help need nothing of it.
      const { startConfiguredNamerd } = await import('../app/namerd.ts');
      return startConfiguredNamerd(config, { file, log, kinds: namerdKinds });
    },
  });

await exitWith(name, main);
