/**
 * The check of plain English: phrases of scripts/words/phrases.ts and misspelled words in documentation, comments, messages and
 * test titles.
 *
 * `node scripts/words.ts` fails for a file with more findings than scripts/words/allowed.json allows. With file names, it lists
 * every finding in them. `--tighten` lowers what is allowed to what there is; `--accept` allows what there is.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { type Allowed, findAll, findExcess, tightened } from './words/check.ts';
import { readProjectWords } from './words/spelling.ts';

const root = join(import.meta.dirname, '..');
const allowedFile = join(import.meta.dirname, 'words/allowed.json');
const checked = ['*.md', 'docs/**/*.md', 'bin/*', '{src,test,scripts,bench,examples}/**/*.{ts,md,yml,dtab,sh}'];
/** Generated from messages that are checked in the source; and pages that quote the phrases. */
const unchecked = ['docs/reference/**', 'docs/messages.md', 'scripts/words/phrases.ts', 'test/suite/words.test.ts'];

const flags = process.argv.slice(2).filter(argument => argument.startsWith('--'));
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'));
const paths =
  named.length > 0
    ? named.map(name => relative(root, resolve(name)))
    : globSync(checked, { cwd: root, exclude: unchecked });
const files = paths.map(path => ({ path, content: readFileSync(join(root, path), 'utf8') }));
const findings = findAll(files, readProjectWords());
const allowed = JSON.parse(readFileSync(allowedFile, 'utf8')) as Allowed;

if (flags.includes('--accept')) {
  const counts = Array.from(
    Map.groupBy(findings, ({ path }) => path),
    ([path, own]) => [path, own.length],
  );
  write(Object.fromEntries(counts));
} else if (flags.includes('--tighten')) write(tightened(findings, allowed));
else {
  const excess = named.length > 0 ? findings : findExcess(findings, allowed);
  for (const { path, line, problem } of excess) console.log(`${path}:${line}: ${problem}`);
  const most = Object.values(allowed).reduce((sum, count) => sum + count, 0);
  console.log(`${files.length} files, ${findings.length} findings, ${most} still allowed`);
  if (excess.length > 0) process.exitCode = 1;
}

function write(next: Allowed): void {
  const sorted = Object.entries(next).toSorted(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(allowedFile, `${JSON.stringify(Object.fromEntries(sorted), undefined, 2)}\n`);
}
