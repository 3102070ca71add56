/**
 * The first steps after cloning the repository: the examples are valid and the quickstart runs, whichever Node.js is
 * first on their PATH. scripts/fresh-clone.ts does the same from a real clone, with the package manager.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { projectRoot, whereItListens } from '../support/linkerd-tcp.ts';
import { oldNodeFolder } from '../support/old-node.ts';
import { runProgram, startProgram } from '../support/process.ts';
import { redisBehind } from '../support/redis.ts';

const program = join(projectRoot, 'bin/linkerd-tcp');
const examples = readdirSync(join(projectRoot, 'examples')).filter(name => /\.(?:ya?ml|json)$/.test(name));

for (const [what, folderOf] of [
  ['an old Node.js', oldNodeFolder],
  ['the packaged Node.js', () => dirname(process.execPath)],
] as const) {
  const pathWith = (first: string): Readonly<Record<string, string>> => ({
    PATH: `${first}${delimiter}${process.env['PATH'] ?? ''}`,
  });

  test(`with ${what} first on PATH, every example passes --check`, async t => {
    assert.ok(examples.length > 0);
    const env = pathWith(folderOf(t));
    for (const example of examples) {
      const { code, output } = await runProgram(t, program, ['--check', join('examples', example)], {
        cwd: projectRoot,
        env,
      });
      assert.equal(code, 0, `${example}: ${output}`);
    }
  });

  test(`with ${what} first on PATH, the quickstart routes to its redis`, async t => {
    const running = startProgram(t, program, ['--quickstart', 'examples/quickstart.yml'], {
      cwd: projectRoot,
      env: pathWith(folderOf(t)),
    });
    const { ports } = await whereItListens(running, 1);
    const [port] = ports.values();
    assert.ok(await redisBehind(port as number));
    assert.equal((await running.stop()).code, 0);
  });
}
