/**
 * What `npm publish` would publish, tried as its users get it: packed, installed in an empty folder, run and imported.
 *
 * `npm run check-package`. Writes dist/ anew.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../src/version.ts';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'linkerd-tcp-package-'));

/** Runs on what is installed in the folder; a checkout's programs must not help either. */
function run(program: string, args: readonly string[], cwd = folder): string {
  const PATH = (process.env['PATH'] ?? '').replaceAll(`${join(root, 'node_modules/.bin')}:`, '');
  return execFileSync(program, args, { cwd, encoding: 'utf8', env: { ...process.env, PATH } }).trim();
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
    ['bin/linkerd-tcp', 'dist/index.js', 'dist/index.d.ts', 'examples/quickstart.yml', 'README.md', 'LICENSE'].every(
      path => packed.includes(path),
    ) && !packed.some(path => /^(?:src|test|scripts|bench)\//.test(path)),
    packed.join('\n'),
  );

  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`]);
  const said = run('npx', ['--no-install', 'linkerd-tcp', '--version']);
  check('the program tells its version', said === `linkerd-tcp ${version}`, said);

  const example = join(folder, 'node_modules/linkerd-tcp/examples/quickstart.yml');
  const valid = run('npx', ['--no-install', 'linkerd-tcp', '--check', example]);
  check('the program takes the quickstart', valid.endsWith('is valid'), valid);

  writeFileSync(
    join(folder, 'embedded.ts'),
    `import { type RunningProxy, silentLog, startProxy } from 'linkerd-tcp';
const text = 'admin: {port: 0}\\nrouters: [{label: a, servers: [{port: 0, dstName: /svc/a}]}]';
const proxy: RunningProxy = await startProxy({ file: '<stdin>', text, log: silentLog });
console.log(proxy.servers.map(({ dstName }) => dstName).join());
proxy.shutdown('over');
process.exitCode = await proxy.done;
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

function isNode(path: string): boolean {
  try {
    return run(path, ['--version']).startsWith('v26.');
  } catch {
    return false;
  }
}
