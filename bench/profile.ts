/**
 * `node bench/profile.ts [--seconds 4]`: where the processor time of a loaded linkerd-tcp goes, kernel and JavaScript in one picture.
 *
 * perf samples the process under redis-benchmark, with connections that stay and with one for each request, on both native
 * drivers, and knows the names of compiled functions from the map the engine writes. Writes bench/results/profile.md.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runProgram } from '../test/support/process.ts';
import { type Scope, withScope } from '../test/support/scope.ts';
import { tempDir } from '../test/support/temp-dir.ts';
import { describeMachine, describeVersions, loadAverage } from './environment.ts';
import { forProfiles, missingPackages } from './requirements.ts';
import { type Profile, profileOf, type Share, shareOf } from './shares.ts';
import { markdownTable } from './table.ts';
import { whileLoaded } from './while-loaded.ts';

const warmUpSeconds = 2;
const shown = 12;

interface Load {
  readonly title: string;
  readonly args: readonly string[];
}

const loads: readonly Load[] = [
  { title: 'GET, 50 connections', args: [] },
  { title: 'a new connection for each request', args: ['-k', '0'] },
];

async function profile(scope: Scope, driver: 'uring' | 'epoll', { args }: Load, seconds: number): Promise<Profile> {
  return whileLoaded(scope, { driver, warmUpSeconds, args }, async ({ pid }) => {
    scope.after(() => rmSync(`/tmp/perf-${pid}.map`, { force: true }));
    const file = join(tempDir(scope).path, 'perf.data');
    const record = ['record', '-o', file, '-F', '1999', '-p', String(pid), '--', 'sleep', String(seconds)];
    const recorded = await runProgram(scope, 'perf', record, { timeoutMs: 60_000 });
    if (recorded.code !== 0) throw new Error(`perf record failed:\n${recorded.output.slice(-500)}`);
    const report = ['report', '-i', file, '--sort', 'symbol', '--stdio', '-g', 'none', '-w', '0'];
    const { output } = await runProgram(scope, 'perf', report, { timeoutMs: 60_000 });
    return profileOf(output);
  });
}

const percent = (share: number): string => `${share.toFixed(1)} %`;

function section(title: string, taken: Profile): string {
  const top = (kind: Share['kind']): string =>
    taken.shares
      .filter(share => share.kind === kind)
      .slice(0, shown)
      .map(({ symbol, share }) => `\`${symbol}\` ${percent(share)}`)
      .join(', ');
  return [
    `## ${title}`,
    '',
    `- kernel: ${top('kernel')}`,
    `- JavaScript: ${top('javascript')}`,
    `- engine and C library: ${top('native')}`,
  ].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' } } });
  const missing = missingPackages(forProfiles);
  if (missing !== undefined) throw new Error(missing);
  const loadBefore = loadAverage();
  // The engine of the program under test writes the map; it inherits this.
  process.env['NODE_OPTIONS'] = '--perf-basic-prof --interpreted-frames-native-stack';
  const rows: string[][] = [];
  const sections: string[] = [];
  for (const driver of ['uring', 'epoll'] as const) {
    for (const load of loads) {
      const taken = await withScope(scope => profile(scope, driver, load, Number(values.seconds)));
      rows.push([
        `\`${driver}\``,
        load.title,
        ...(['kernel', 'javascript', 'native'] as const).map(kind => percent(shareOf(taken, kind))),
      ]);
      sections.push(section(`\`${driver}\`, ${load.title}`, taken));
    }
  }
  const machine = describeMachine(loadBefore);
  const { 'linkerd-tcp': ours, node } = describeVersions();
  const text = [
    '# Where the processor time goes',
    '',
    `${machine.date}; ${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}; linkerd-tcp ${ours}, node ${node}. ` +
      `\`node bench/profile.ts --seconds ${values.seconds}\`: perf, all threads of the process, \`workers: 1\`, redis-benchmark.`,
    '',
    markdownTable(['driver', 'load', 'kernel', 'JavaScript', 'engine and C library'], rows),
    '',
    sections.join('\n\n'),
    '',
  ].join('\n');
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'profile.md'), text);
  process.stdout.write(`${text}\nwritten: bench/results/profile.md\n`);
}

main().catch(error => {
  console.error(`profile: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
