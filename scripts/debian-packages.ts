/**
 * The real programs the end-to-end tests need, and the Debian packages that bring them.
 *
 * A package is installed only when its program is missing, and only where that needs no question: as root or with a
 * passwordless sudo. Elsewhere the line to type is printed and the tests that need the program fail.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Requirement {
  /** Its name, or the whole path of a file that is none. */
  readonly program: string;
  readonly package: string;
  /** The system service the package brings; stopped after we installed it, the tests start their own processes. */
  readonly service?: string;
}

const requirements: readonly Requirement[] = [
  { program: 'redis-server', package: 'redis-server', service: 'redis-server' },
  { program: 'redis-cli', package: 'redis-tools' },
  { program: 'redis-benchmark', package: 'redis-tools' },
  { program: 'promtool', package: 'prometheus', service: 'prometheus' },
  { program: 'openssl', package: 'openssl' },
  { program: 'strace', package: 'strace' },
  { program: 'curl', package: 'curl' },
  { program: 'etcd', package: 'etcd-server', service: 'etcd' },
  { program: 'etcdctl', package: 'etcd-client' },
  { program: 'zsh', package: 'zsh' },
  { program: 'fish', package: 'fish' },
  { program: 'java', package: 'default-jre-headless' },
  { program: '/usr/share/java/zookeeper.jar', package: 'libzookeeper-java' },
];

/** Where Debian puts programs, even when the caller's PATH lacks sbin. */
const debianFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...debianFolders];
  return folders
    .filter(folder => folder !== '')
    .map(folder => join(folder, name))
    .find(isExecutable);
}

const isThere = ({ program }: Requirement): boolean =>
  program.startsWith('/') ? existsSync(program) : findProgram(program) !== undefined;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs what is missing. @returns the problem in words, or undefined when every program is there. */
export function ensureDebianPackages(print: (line: string) => void): string | undefined {
  const missing = requirements.filter(requirement => !isThere(requirement));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(requirement => requirement.package))];
  const programs = missing.map(({ program }) => program).join(', ');
  const toType = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (findProgram('apt-get') === undefined)
    return `missing: ${programs}; there is no apt-get here, install them by hand`;
  const asRoot = rootPrefix();
  if (asRoot === undefined) return `missing: ${programs}; type: sudo sh -c '${toType}'`;

  print(`missing: ${programs}`);
  print(`installing Debian packages: ${packages.join(' ')}`);
  const update = runQuietly([...asRoot, 'apt-get', 'update']);
  const install = runQuietly([
    ...asRoot,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    'install',
    '-y',
    '--no-install-recommends',
    '-o',
    'Dpkg::Options::=--force-confold',
    ...packages,
  ]);
  const installed = packages.filter(name => missing.some(r => r.package === name && isThere(r)));
  stopServices(asRoot, missing, print);
  const stillMissing = missing.filter(requirement => !isThere(requirement));
  if (stillMissing.length === 0) {
    print(`installed: ${installed.join(' ')}`);
    return undefined;
  }
  const names = stillMissing.map(({ program }) => program).join(', ');
  return `still missing: ${names}; try: ${toType}\n${install.output || update.output}`;
}

/** What to put before a command to run it as root without being asked anything; undefined where that is impossible. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

function runQuietly([program, ...args]: readonly string[]): { readonly ok: boolean; readonly output: string } {
  const result = spawnSync(program as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return { ok: result.status === 0, output: `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd() };
}

/** A fresh package may start its daemon at once and at every boot; a test run must not leave one behind. */
function stopServices(asRoot: readonly string[], fresh: readonly Requirement[], print: (line: string) => void): void {
  for (const { service } of fresh) {
    if (service === undefined) continue;
    const disable = findProgram('systemctl')
      ? runQuietly([...asRoot, 'systemctl', 'disable', '--now', service])
      : { ok: false, output: '' };
    const stopped = disable.ok || (findProgram('service') && runQuietly([...asRoot, 'service', service, 'stop']).ok);
    if (stopped) print(`stopped the service ${service} that came with the package`);
  }
}
