/**
 * The whole check of the project, one command: packages, format and lint, types, layers, then every test.
 *
 * `npm test` runs all of it; `npm test -- test/dtab test/e2e/redis.test.ts` runs the same steps but only those tests.
 * Every step runs even when an earlier one failed, so one run shows all there is to mend. The tests' counts come last.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join, relative, resolve } from 'node:path';
import { ensureDebianPackages } from './debian-packages.ts';
import { checkLayers, readSources } from './layers.ts';

const root = join(import.meta.dirname, '..');
const programs = join(root, 'node_modules/.bin');
const oldestNode = 26;
/** Bound of one test file; the longest takes about two minutes on a busy machine. */
const fileTimeoutMs = 300_000;

if (Number(process.versions.node.split('.', 1)[0]) < oldestNode) process.exit(runOnPackagedNode());
process.env['PATH'] = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;

const files = testFiles(process.argv.slice(2));
const failedSteps: string[] = [];

step('Debian packages', () => {
  const problem = ensureDebianPackages(print);
  if (problem !== undefined) print(problem);
  return problem === undefined;
});
step('format and lint', () => run('biome', ['check', '--error-on-warnings', '.']));
step('type check', () => run('tsc', ['--noEmit']));
step('layer check', () => {
  const { problems, files: count, medianLines } = checkLayers(readSources(join(root, 'src')));
  for (const problem of problems) print(problem);
  print(`${count} files of src/, median ${medianLines} lines, ${problems.length} problems`);
  return problems.length === 0;
});

if (failedSteps.length > 0) print(`\nFAILED before the tests: ${failedSteps.join(', ')} (see above)`);
print(`\n== tests: ${files.length} files`);
const testsPassed = files.length > 0 && run(process.execPath, testArguments(files));
if (!testsPassed) failedSteps.push('tests');
process.exitCode = failedSteps.length === 0 ? 0 : 1;

function testArguments(selected: readonly string[]): readonly string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${Math.min(availableParallelism(), 4)}`,
    `--test-timeout=${fileTimeoutMs}`,
    `--test-reporter=${join(root, 'scripts/test-reporter.ts')}`,
    '--test-reporter-destination=stdout',
    ...selected,
  ];
}

/** The named files and the tests in the named folders, or all; a name that is neither ends the run at once. */
function testFiles(names: readonly string[]): readonly string[] {
  const wanted = names.length === 0 ? ['test'] : names;
  const found = wanted.flatMap(name => {
    const path = resolve(root, name);
    if (!existsSync(path)) {
      print(`${name}: no such test file or folder`);
      process.exit(2);
    }
    return statSync(path).isFile() ? [path] : globSync('**/*.test.ts', { cwd: path }).map(file => join(path, file));
  });
  const selected = [...new Set(found)].map(file => relative(root, file)).sort();
  if (names.length > 0) print(`only: ${selected.join(' ')}`);
  return selected;
}

function step(name: string, body: () => boolean): void {
  print(`== ${name}`);
  const start = performance.now();
  const passed = body();
  if (!passed) failedSteps.push(name);
  print(`== ${name}: ${passed ? 'ok' : 'FAILED'} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

function run(program: string, args: readonly string[]): boolean {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (result.error) print(`${program}: ${result.error.message}`);
  return result.status === 0;
}

/** Run directly with an older node: go on with the one that npm install brought. */
function runOnPackagedNode(): number {
  const packaged = join(programs, 'node');
  if (existsSync(packaged)) {
    const result = spawnSync(packaged, process.argv.slice(1), { stdio: 'inherit' });
    return result.status ?? 1;
  }
  print(`this is node ${process.version}; the tests need ${oldestNode} or newer. Run: npm install && npm test`);
  return 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
