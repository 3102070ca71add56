/**
 * The README's two commands in a fresh clone: `npm install && npm start`, then `npm test`.
 *
 * Usage: `npm run fresh-clone -- [directory with a node]...`: once for each, with that directory first on PATH (npm is the one on
 * PATH and runs on that node). Without arguments, once with the present PATH. It clones the committed state and takes minutes.
 */
import { execFileSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { whereItListens } from '../test/support/linkerd-tcp.ts';
import { runProgram, startProgram } from '../test/support/process.ts';
import { redisBehind } from '../test/support/redis.ts';
import { withScope } from '../test/support/scope.ts';
import { tempDir } from '../test/support/temp-dir.ts';

const root = join(import.meta.dirname, '..');
/** The packaged node must come from the clone's own installation, not from here. */
const path = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter(directory => !directory.includes('node_modules'))
  .join(delimiter);
const directories = process.argv.slice(2);

for (const first of directories.length === 0 ? [undefined] : directories) {
  await withScope(async scope => {
    const env = { PATH: first === undefined ? path : `${first}${delimiter}${path}` };
    const clone = join(tempDir(scope).path, 'clone');
    execFileSync('git', ['clone', '--quiet', root, clone], { stdio: 'inherit' });
    console.log(`== ${first ?? 'PATH as it is'}: npm install`);
    await npm(['install']);

    console.log('== npm start');
    const running = startProgram(scope, 'npm', ['start'], { cwd: clone, env });
    const { ports } = await whereItListens(running, 1);
    const [port] = ports.values();
    console.log(`it routes to the redis on port ${await redisBehind(port as number)}`);
    await running.stop();

    console.log('== npm test');
    await npm(['test']);

    async function npm(args: readonly string[]): Promise<void> {
      const { code, output } = await runProgram(scope, 'npm', args, { cwd: clone, env, timeoutMs: 15 * 60_000 });
      if (code === 0) return console.log(output.split('\n').slice(-12).join('\n'));
      console.log(output);
      throw new Error(`npm ${args.join(' ')} failed with exit code ${code}`);
    }
  });
}
