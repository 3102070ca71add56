/** The packages that namerctl loads: loading takes almost all the time of a short command. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cacheDirectory } from '../../src/cli/compile-cache.ts';
import { allCommands, commandNames } from '../../src/namerctl/program/commands.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Prints how many modules of each package were loaded. */
const counting = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
const counts = {};
registerHooks({
  load(url, context, next) {
    const found = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1];
    if (found) counts[found] = (counts[found] ?? 0) + 1;
    return next(url, context);
  },
});
process.on('exit', () => console.error('loaded ' + JSON.stringify(counts)));
`)}`;

function loadedBy(home: string, ...args: readonly string[]): Readonly<Record<string, number>> {
  const program = join(projectRoot, 'src/cli/namerctl.ts');
  const { stderr } = spawnSync(process.execPath, ['--import', counting, program, ...args], {
    // Nothing listens on port 1: the request fails, which is as good as an answer here.
    env: { HOME: home, NAMERCTL_BASE_URL: 'http://127.0.0.1:1' },
    cwd: home,
    encoding: 'utf8',
  });
  const [, counts] = /^loaded (.*)$/m.exec(stderr) ?? assert.fail(stderr);
  return JSON.parse(counts!);
}

test('a command loads only the packages it needs', t => {
  const home = tempDir(t).path;
  assert.deepEqual(Object.keys(loadedBy(home, '--version')), ['commander']);
  for (const args of [['list'], ['get', 'default'], ['dtab', 'ls', '--json']]) {
    const { commander, undici, ...others } = loadedBy(home, ...args);
    assert.deepEqual(others, {}, args.join(' '));
    assert.ok(commander! < 15 && undici! < 30, `${args.join(' ')}: ${commander}, ${undici}`);
  }
});

test('the table of commands has the names that the commands themselves have', async () => {
  const names = (await allCommands()).flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  assert.deepEqual(commandNames, names);
});

test('compiled code is kept where only this user can write', t => {
  const { path: home } = tempDir(t);
  chmodSync(home, 0o700);
  assert.equal(cacheDirectory({ HOME: home }), join(home, '.cache/linkerd-tcp'));
  assert.equal(cacheDirectory({ HOME: home, XDG_CACHE_HOME: join(home, 'own') }), join(home, 'own/linkerd-tcp'));
  mkdirSync(join(home, 'open'));
  chmodSync(join(home, 'open'), 0o777);
  for (const env of [{}, { HOME: '/nowhere' }, { HOME: home, XDG_CACHE_HOME: join(home, 'open') }, { HOME: 'here' }])
    assert.equal(cacheDirectory(env), undefined, JSON.stringify(env));
  assert.equal(existsSync('here'), false);
});

test('a directory of another user is not used, as sudo may leave it in HOME', () => {
  // The directory belongs to root or to this user, and another user asks.
  const stranger = (process.getuid?.() ?? 0) + 1;
  const { getuid } = process;
  process.getuid = () => stranger;
  try {
    assert.equal(cacheDirectory({ HOME: '/', XDG_CACHE_HOME: '/usr' }), undefined);
  } finally {
    process.getuid = getuid;
  }
});
