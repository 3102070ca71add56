/**
 * The programs that the tests need, and the Debian packages that contain them.
 *
 * A package is installed only if its program is missing, and only as root or with passwordless sudo. Otherwise the command to run
 * is printed, and the tests that need the program fail.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Requirement {
  /** The program's name, or the full path of a file that is not a program. */
  readonly program: string;
  readonly package: string;
  /** The system service that the package starts. It is stopped after the installation: the tests start their own processes. */
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
  { program: 'hunspell', package: 'hunspell' },
  { program: '/usr/share/hunspell/en_US.dic', package: 'hunspell-en-us' },
  { program: '/usr/share/hunspell/en_GB.dic', package: 'hunspell-en-gb' },
];

/** Where Debian puts programs, even when the caller's PATH lacks sbin. */
const debianDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...debianDirectories];
  return directories
    .filter(directory => directory !== '')
    .map(directory => join(directory, name))
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

/** Installs missing packages. @returns the problem, or undefined if every program is there. */
export function ensureDebianPackages(print: (line: string) => void): string | undefined {
  const missing = requirements.filter(requirement => !isThere(requirement));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(requirement => requirement.package))];
  const programs = missing.map(({ program }) => program).join(', ');
  const toType = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (findProgram('apt-get') === undefined)
    return `missing: ${programs}; there is no apt-get on this machine; install them by hand`;
  const asRoot = rootPrefix();
  if (asRoot === undefined) return `missing: ${programs}; run: sudo sh -c '${toType}'`;

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

/** The prefix that runs a command as root without a prompt; undefined if that is impossible. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

function runQuietly([program, ...args]: readonly string[]): { readonly ok: boolean; readonly output: string } {
  const result = spawnSync(program as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return { ok: result.status === 0, output: `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd() };
}

/** A new package may start its daemon now and at every boot; a test run must not leave one running. */
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

if (import.meta.main) {
  const problem = ensureDebianPackages(line => console.log(line));
  if (problem !== undefined) {
    console.error(problem);
    process.exitCode = 1;
  }
}
