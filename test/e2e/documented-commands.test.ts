/**
 * The commands of README.md and docs/getting-started.md do what the pages promise. Every command in their code blocks has an
 * entry here that runs it, on free ports where the pages name fixed ones; a command without an entry fails.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot, whereItListens } from '../support/linkerd-tcp.ts';
import { freePort } from '../support/ports.ts';
import { type Program, runProgram, startProgram } from '../support/process.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(join(projectRoot, page), 'utf8');
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }));
}

/** The lines of the shell blocks, without what a `#` explains. */
const commandsOf = (blocks: readonly Block[]): readonly string[] =>
  blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.split('\n'))
    .map(line => line.replace(/\s+#.*$/, '').trim())
    .filter(line => line !== '');

const readme = blocksOf('README.md');
const guide = blocksOf('docs/getting-started.md');
const launcher = join(projectRoot, 'bin/linkerd-tcp');
const namerctl = join(projectRoot, 'bin/namerctl');
const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  scripts: Readonly<Record<string, string>>;
};

const shell = async (t: TestContext, command: string, folder: string, env = {}): Promise<string> => {
  const { code, output } = await runProgram(t, 'sh', ['-c', command], { cwd: folder, env });
  assert.equal(code, 0, `${command}: ${output}`);
  return output;
};

/** `linkerd-tcp`, with or without `bin/`, is the launcher of this checkout. */
const ours = (command: string): string => command.replace(/^(?:bin\/)?linkerd-tcp\b/, launcher);

/** The quickstart of `npm start`, in a copy of the examples with free ports. */
async function quickstart(t: TestContext) {
  assert.match(scripts['start'] ?? '', /^bin\/linkerd-tcp --quickstart examples\/quickstart\.yml$/);
  const examples = tempDir(t);
  cpSync(join(projectRoot, 'examples'), examples.path, { recursive: true });
  for (const group of ['blue', 'green']) examples.write(`quickstart/disco/${group}`, `127.0.0.1 ${await freePort()}\n`);
  const config = readFileSync(join(examples.path, 'quickstart.yml'), 'utf8').replace(/port: \d+/g, 'port: 0');
  const file = examples.write('quickstart.yml', config);
  const program = startProgram(t, launcher, ['--quickstart', file], { cwd: examples.path });
  const { ports, adminPort } = await whereItListens(program, 1);
  return { program, examples, port: ports.get('/svc/default') as number, adminPort };
}

/** The directory that the reader of the guide makes, with free ports. */
async function ownConfiguration(t: TestContext): Promise<TempDir> {
  const folder = tempDir(t);
  for (const command of commandsOf(guide).filter(line => /^(?:mkdir|echo)/.test(line)))
    await shell(t, command, folder.path);
  const [config] = guide.filter(({ language }) => language === 'yaml') as [Block];
  folder.write('edge.yml', `admin: { port: 0 }\n${config.text.replace(/port: \d+/, 'port: 0')}`);
  return folder;
}

async function started(t: TestContext, folder: TempDir): Promise<{ program: Program; adminPort: number }> {
  const program = startProgram(t, launcher, ['edge.yml'], { cwd: folder.path });
  return { program, adminPort: (await whereItListens(program, 1)).adminPort };
}

async function endpointsAt(adminPort: number): Promise<string> {
  const [route] = (await (await fetch(`http://127.0.0.1:${adminPort}/routes.json`)).json()) as [
    { state: string; endpoints: readonly { address: string; branch: string }[] },
  ];
  return route.endpoints.map(({ address, branch }) => `${branch} ${address}`).join(', ');
}

/** The commands of the README up to this one, one after the other, against a quickstart on free ports. */
const playsWithTheQuickstart = async (t: TestContext, command: string): Promise<void> => {
  const { port, examples, program } = await quickstart(t);
  const env = { QUICKSTART_DIR: join(examples.path, 'quickstart') };
  const [blue] = readFileSync(join(examples.path, 'quickstart/disco/blue'), 'utf8').trim().split(' ').slice(1);
  const story = commandsOf(readme).filter(each => /^npm run (?:try|route|break)\b(?! -- 7475)/.test(each));
  let output = '';
  for (const each of story.slice(0, story.lastIndexOf(command) + 1)) {
    const [, name = '', args = ''] = /^npm run (\w+)(?: --(.*))?$/.exec(each) ?? [];
    const script = (scripts[name] ?? '').replace('scripts/', `${projectRoot}/scripts/`);
    const own = name === 'try' ? ` ${port}` : args.replace('7501', String(blue));
    output = await shell(t, `${script} ${own}`, examples.path, { ...env, QUICKSTART_PORT: blue });
    if (name === 'route') await program.printed(/resolved to 90% \S+blue .*10% \S+green/);
  }
  assert.match(
    output,
    /20 connections to 127\.0\.0\.1:\d+: \d+ × (?:blue|green)|routes\.dtab: \/svc\/default => 90|stopped the backend on/,
  );
};

const checksTheOwn = async (t: TestContext, command: string): Promise<void> => {
  const folder = await ownConfiguration(t);
  assert.equal(await shell(t, ours(command), folder.path), 'linkerd-tcp: edge.yml is valid\n');
};

const runsTheOwn = async (t: TestContext, command: string): Promise<void> => {
  assert.equal(ours(command), `${launcher} edge.yml`);
  const folder = await ownConfiguration(t);
  const { program, adminPort } = await started(t, folder);
  await until(
    async () => (await endpointsAt(adminPort)) === '/#/io.l5d.fs/cache 10.0.0.5:6379, /#/io.l5d.fs/cache 10.0.0.6:6379',
    'both lines of disco/cache to be endpoints',
  );
  program.signal('SIGHUP');
  await program.printed(/edge\.yml reloaded/);
  program.signal('SIGTERM');
  assert.deepEqual(await within(program.exited, 'it to stop'), { code: 0, signal: null });
};

const preparesTheOwn = async (t: TestContext): Promise<void> => {
  const folder = await ownConfiguration(t);
  assert.equal(readFileSync(join(folder.path, 'disco/cache'), 'utf8'), '10.0.0.5 6379\n10.0.0.6 6379\n');
};

/** The demo and the commands of the README up to this one, on free ports. */
const changesPolicy = async (t: TestContext, command: string): Promise<void> => {
  const [namerdPort, first, second] = [await freePort(), await freePort(), await freePort()];
  const disco = tempDir(t);
  for (const group of ['blue', 'green']) disco.write(group, `127.0.0.1 ${await freePort()}\n`);
  const [node, ...args] = (scripts['demo:namerd'] ?? '').split(' ');
  assert.equal(node, 'node');
  const demo = startProgram(t, process.execPath, args, {
    cwd: projectRoot,
    env: { ...process.env, NAMERD_PORT: `${namerdPort}`, PROXY_PORTS: `${first},${second}`, DISCO_DIR: disco.path },
  });
  await demo.printed(/Stop: Ctrl-C/);
  const env = { NAMERCTL_BASE_URL: `http://127.0.0.1:${namerdPort}` };
  const story = commandsOf(readme);
  let output = '';
  for (const each of story.slice(story.indexOf('npm run demo:namerd') + 1, story.indexOf(command) + 1)) {
    const ours = each
      .replace('bin/namerctl', namerctl)
      .replace('npm run try --', (scripts['try'] ?? '').replace('scripts/', `${projectRoot}/scripts/`));
    output = await shell(t, ours.replace('7475', String(first)), disco.path, env);
  }
  if (/explain/.test(command)) assert.match(output, /✓ 127\.0\.0\.1:/);
  if (/split/.test(command)) assert.match(output, /100% {2}→ {2}90% .*\n.*10% .*\nUpdated default: version 1 → 2\./);
  if (/try/.test(command)) assert.match(output, /× (?:blue|green)/);
  if (/history/.test(command)) assert.match(output, /\n2 \* .*90% \/cluster\/blue, 10% \/cluster\/green\n1 /);
  if (/restore/.test(command)) assert.match(output, /^Restored default to 1: version 2 → 3\./);
  demo.signal('SIGINT');
  assert.deepEqual(await within(demo.exited, 'the demo to stop'), { code: 0, signal: null });
};

const printsTheFirst = async (t: TestContext, command: string): Promise<void> => {
  const folder = tempDir(t);
  await shell(t, ours(command), folder.path);
  assert.match(await shell(t, `${launcher} --strict edge.yml`, folder.path), /edge\.yml is valid\n$/);
};

const exercises: Readonly<Record<string, (t: TestContext, command: string) => Promise<unknown>>> = {
  // The installation itself needs the network: scripts/fresh-clone.ts does that in a real clone.
  'npm install && npm start': quickstart,
  'npm run try': playsWithTheQuickstart,
  'npm run route -- blue=90 green=10': playsWithTheQuickstart,
  'npm run break -- 7501': playsWithTheQuickstart,
  'npm run demo:namerd': changesPolicy,
  'bin/namerctl explain /svc/default': changesPolicy,
  'bin/namerctl split default /svc/default blue=90 green=10': changesPolicy,
  'npm run try -- 7475': changesPolicy,
  'bin/namerctl history default': changesPolicy,
  'bin/namerctl restore default 1': changesPolicy,
  'bin/linkerd-tcp init > edge.yml': printsTheFirst,
  'bin/linkerd-tcp --check edge.yml': checksTheOwn,
  'bin/linkerd-tcp edge.yml': runsTheOwn,
  'linkerd-tcp --check edge.yml': checksTheOwn,
  'linkerd-tcp edge.yml': runsTheOwn,
  'mkdir disco': preparesTheOwn,
  "echo '10.0.0.5 6379' >  disco/cache": preparesTheOwn,
  "echo '10.0.0.6 6379' >> disco/cache": preparesTheOwn,
};

for (const [page, blocks] of [
  ['README.md', readme],
  ['docs/getting-started.md', guide],
] as const)
  for (const command of commandsOf(blocks))
    test(`${page}: ${command}`, async t => {
      const exercise = exercises[command];
      assert.ok(exercise, `no entry of this file runs \`${command}\`; add one`);
      await exercise(t, command);
    });

test('every entry of this file stands for a command of a page', () => {
  const documented = new Set([...commandsOf(readme), ...commandsOf(guide)]);
  assert.deepEqual(
    Object.keys(exercises).filter(command => !documented.has(command)),
    [],
  );
});

test('README.md: the rule it gives is the last line of the dtab file, edited, and splits 90 to 10', async t => {
  const { examples, adminPort } = await quickstart(t);
  const file = join(examples.path, 'quickstart/routes.dtab');
  const [rule] = readme.filter(({ language }) => language === '') as [Block];
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  examples.write('quickstart/routes.dtab', `${[...lines.slice(0, -1), rule.text].join('\n')}`);
  await until(async () => {
    const [route] = (await (await fetch(`http://127.0.0.1:${adminPort}/routes.json`)).json()) as [
      { tree?: { union?: readonly { weight: number }[] } },
    ];
    return route.tree?.union?.map(({ weight }) => weight).join() === '90,10';
  }, 'the split to be in force');
});

test('docs/getting-started.md: the rules of its dtab file take effect one after the other', async t => {
  const folder = await ownConfiguration(t);
  const { program, adminPort } = await started(t, folder);
  const [own, interpreter] = guide.filter(({ language }) => language === 'yaml') as [Block, Block];
  const [first, ...rules] = guide.filter(({ language }) => language === '').map(({ text }) => text) as [
    string,
    ...string[],
  ];
  const before = readFileSync(join(folder.path, 'edge.yml'), 'utf8');
  const dtab = / {4}dtab: \|\n {6}.*\n/;
  assert.match(own.text, dtab);
  folder.write('disco/cache-v2', '10.0.0.7 6379\n');
  folder.write('routes.dtab', first);
  folder.write('edge.yml', before.replace(dtab, interpreter.text));
  program.signal('SIGHUP');
  await program.printed(/edge\.yml reloaded/);

  const leadsTo = (...groups: readonly string[]) =>
    until(async () => {
      const endpoints = await endpointsAt(adminPort);
      return ['cache ', 'cache-v2 '].every(group => endpoints.includes(`/${group}`) === groups.includes(group.trim()));
    }, `the name to lead to ${groups}`);
  await leadsTo('cache');
  const [all, split, fallback] = rules as [string, string, string];
  for (const [rule, ...groups] of [
    [all, 'cache-v2'],
    [split, 'cache', 'cache-v2'],
    [fallback, 'cache-v2'],
  ] as const) {
    folder.write('routes.dtab', first + rule);
    await leadsTo(...groups);
  }
  folder.remove('disco/cache-v2');
  await leadsTo('cache');
  folder.write('routes.dtab', '/svc => ;\n');
  await program.printed(/routes\.dtab:1:/);
  await leadsTo('cache');
});

test('every link between the pages leads to a file', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...['README', 'getting-started', 'embedding', 'architecture', 'naming'].map(page => `docs/${page}.md`),
  ];
  for (const page of pages)
    for (const [, link = ''] of readFileSync(join(projectRoot, page), 'utf8').matchAll(/\]\(([^)]+)\)/g)) {
      if (/^(?:https?:|#)/.test(link)) continue;
      const target = join(projectRoot, dirname(page), link.replace(/#.*$/, ''));
      assert.ok(existsSync(target), `${page} links to ${link}`);
    }
});
