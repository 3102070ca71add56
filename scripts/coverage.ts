/**
 * Reports which lines of src/ the tests execute: `npm run coverage -- [test files or directories]`.
 *
 * Without arguments it runs all tests but those that start the programs, whose coverage would take an hour to merge. The table
 * names the uncovered lines of each file.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const startPrograms = /^test\/(?:e2e|cli)\//;
const names = process.argv.slice(2);
const files =
  names.length === 0
    ? globSync('test/**/*.test.ts', { cwd: root }).filter(file => !startPrograms.test(file))
    : names.flatMap(name =>
        statSync(join(root, name)).isFile() ? [name] : globSync(`${name}/**/*.test.ts`, { cwd: root }),
      );

const { status } = spawnSync(
  process.execPath,
  [
    ...['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec'],
    ...['--experimental-test-coverage', '--test-coverage-include=src/**'],
    ...files.sort(),
  ],
  // Code that comes from the compile cache is not counted in every function.
  { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' } },
);
process.exitCode = status ?? 1;
