/** `npm run route -- blue=90 green=10`: rewrites the rule of the quickstart's dtab file, which the proxy watches. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const directory = process.env['QUICKSTART_DIR'] ?? join(import.meta.dirname, '../../examples/quickstart');
const file = join(directory, 'routes.dtab');
const groups = readdirSync(join(directory, 'disco'));
const shares = process.argv.slice(2).map(word => /^([\w-]+)=(\d+(?:\.\d+)?)%?$/.exec(word));

const problem = problemOf();
if (problem !== undefined) {
  console.error(`${problem}\nusage: npm run route -- blue=90 green=10; groups are ${groups.join(', ')}`);
  process.exit(64);
}
const branches = shares.map(share => [share?.[1], share?.[2]] as const);
const dst =
  branches.length === 1
    ? `/#/io.l5d.fs/${branches[0]![0]}`
    : branches.map(([group, weight]) => `${weight} * /#/io.l5d.fs/${group}`).join(' & ');
const rule = `/svc/default => ${dst} ;`;
// Written in one go, so that the proxy never reads half of it.
writeFileSync(file, readFileSync(file, 'utf8').replace(/^\/svc\/default\b.*$/m, rule));
console.log(`${relative(process.cwd(), file)}: ${rule}`);

function problemOf(): string | undefined {
  if (shares.length === 0) return 'no shares given';
  const unclear = shares.indexOf(null);
  if (unclear >= 0) return `${process.argv[unclear + 2]}: expected a group and its share, like blue=90`;
  const unknown = shares.find(share => !groups.includes(share?.[1] ?? ''));
  return unknown ? `there is no group ${unknown[1]}` : undefined;
}
