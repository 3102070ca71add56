/**
 * Tries the package that `npm publish` would publish: packs it, installs it in an empty directory, runs and imports it.
 *
 * `npm run check-package`. Writes dist/ anew.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { version } from '../src/version.ts';

const root = join(import.meta.dirname, '..');
const programs = ['linkerd-tcp', 'namerd', 'namerctl'];
const folder = mkdtempSync(join(tmpdir(), 'linkerd-tcp-package-'));

/** Without the checkout's programs: the installed package must do without them. */
const env = {
  ...process.env,
  PATH: (process.env['PATH'] ?? '').replaceAll(`${join(root, 'node_modules/.bin')}:`, ''),
};

function run(program: string, args: readonly string[], cwd = folder): string {
  return execFileSync(program, args, { cwd, encoding: 'utf8', env }).trim();
}

function check(what: string, isSo: boolean, seen: string): void {
  if (!isSo) throw new Error(`${what} is not so:\n${seen}`);
  console.log(`ok: ${what}`);
}

try {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run('npm', ['run', 'build'], root);
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  ) as [{ filename: string; files: readonly { path: string }[] }];
  const packed = files.map(({ path }) => path);
  check(
    'the tarball has programs, compiled code, types and examples, and no sources or tests',
    [
      ...programs.map(program => `bin/${program}`),
      'bin/launch.sh',
      'dist/index.js',
      'dist/index.d.ts',
      'examples/quickstart.yml',
      'README.md',
      'LICENSE',
    ].every(path => packed.includes(path)) && !packed.some(path => /^(?:src|test|scripts|bench)\//.test(path)),
    packed.join('\n'),
  );

  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`]);
  for (const program of programs) {
    const said = run('npx', ['--no-install', program, '--version']);
    check(`${program} tells its version`, said === `${program} ${version}`, said);
    const help = run('npx', ['--no-install', program, '--help']);
    check(`${program} tells its use`, help.startsWith(`Usage: ${program} `), help);
  }

  const example = join(folder, 'node_modules/linkerd-tcp/examples/quickstart.yml');
  const valid = run('npx', ['--no-install', 'linkerd-tcp', '--check', example]);
  check('linkerd-tcp takes the quickstart', valid.endsWith('is valid'), valid);

  await checkNamerd();

  writeFileSync(
    join(folder, 'embedded.ts'),
    `import { type RunningProxy, silentLog, startProxy } from 'linkerd-tcp';
const text = 'admin: {port: 0}\\nrouters: [{label: a, servers: [{port: 0, dstName: /svc/a}]}]';
const proxy: RunningProxy = await startProxy({ file: '<stdin>', text, log: silentLog });
console.log(proxy.servers.map(({ dstName }) => dstName).join());
proxy.shutdown('over');
await proxy.done;
`,
  );
  const [node] = ['node_modules/.bin/node', process.execPath].filter(isNode) as [string];
  const served = run(node, ['embedded.ts']);
  check('a program imports it and starts a proxy', served === '/svc/a', served);
  const types = run(join(root, 'node_modules/.bin/tsc'), [
    ...['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'esnext'],
    ...['--types', 'node', '--typeRoots', join(root, 'node_modules/@types'), 'embedded.ts'],
  ]);
  check('its types are found', types === '', types);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts namerd as it is installed, asks it with namerctl, and ends it as a supervisor would. */
async function checkNamerd(): Promise<void> {
  writeFileSync(
    join(folder, 'namerd.yml'),
    'admin: {port: 0}\nstorage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController, port: 0}]\n',
  );
  const namerd = spawn(join(folder, 'node_modules/.bin/namerd'), ['namerd.yml'], {
    ...{ cwd: folder, env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(namerd, 'exit');
  try {
    const { url, said } = await listening(namerd.stderr);
    check('namerd starts and listens', url !== undefined, said);
    const namerctl = (...args: string[]) => run('npx', ['--no-install', 'namerctl', '--base-url', url ?? '', ...args]);
    writeFileSync(join(folder, 'rules.dtab'), '/svc => /srv ;\n');
    check('namerctl creates a dtab', namerctl('create', 'web', 'rules.dtab') === 'Created web', url ?? '');
    const dtab = namerctl('get', 'web', '--no-pretty');
    check('namerctl reads it back', dtab === '/svc=>/srv;', dtab);
  } finally {
    namerd.kill('SIGTERM');
  }
  const [code] = await exited;
  check('namerd ends cleanly', code === 0, `exit code ${code}`);
}

/** @returns the base URL of the API once the log tells it; undefined when the log ends before */
async function listening(log: NodeJS.ReadableStream): Promise<{ url?: string; said: string }> {
  let said = '';
  for await (const line of createInterface(log)) {
    said += `${line}\n`;
    const [, url] = /api listening on (http:\/\/[\d.]+:\d+)/.exec(line) ?? [];
    if (url !== undefined) return { url, said };
  }
  return { said };
}

function isNode(path: string): boolean {
  try {
    return run(path, ['--version']).startsWith('v26.');
  } catch {
    return false;
  }
}
