/**
 * Runs the suite again and again while every core is busy elsewhere: `npm run test:busy -- [runs] [test files or directories]`.
 *
 * A test that depends on a quick machine fails here. Ends with exit code 1 if a run failed; the output of each run is in a file.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const runs = Number(process.argv[2] ?? 10);
const selected = process.argv.slice(3);
if (!(runs >= 1)) {
  console.error('usage: npm run test:busy -- [runs] [test files or directories]');
  process.exit(2);
}

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'linkerd-tcp-busy-'));
const loops = Array.from({ length: availableParallelism() }, () => new Worker('for (;;);', { eval: true }));
console.log(`${runs} runs beside ${loops.length} busy loops; output in ${directory}`);
let failed = 0;
for (let run = 1; run <= runs; run++) {
  const file = join(directory, `run-${run}.log`);
  const start = performance.now();
  const code = await suite(file);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const output = readFileSync(file, 'utf8');
  const [tests, pass, fail] = ['tests', 'pass', 'fail'].map(name => lastCount(output, name));
  console.log(
    `run ${run}: ${code === 0 ? 'ok' : 'FAILED'} in ${seconds} s, ${tests} tests, ${pass} passed, ${fail} failed`,
  );
  if (code === 0) continue;
  failed++;
  console.log(output.slice(Math.max(0, output.lastIndexOf('✖ failing tests:'))));
}
await Promise.all(loops.map(loop => loop.terminate()));
console.log(`${runs - failed} of ${runs} runs passed`);
process.exitCode = failed === 0 ? 0 : 1;

async function suite(file: string): Promise<number | null> {
  const child = spawn(process.execPath, [join(root, 'scripts/test.ts'), ...selected], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(file);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  return new Promise(resolve => child.on('close', code => log.end(() => resolve(code))));
}

function lastCount(output: string, name: string): string {
  return [...output.matchAll(new RegExp(`^ℹ ${name} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? '?';
}
