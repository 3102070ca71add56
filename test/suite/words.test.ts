/** The check of plain English: which text it reads, what it finds, and that what is allowed can only fall. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAll, findExcess, tightened } from '../../scripts/words/check.ts';
import { findPhrases } from '../../scripts/words/phrases.ts';
import { proseOf } from '../../scripts/words/prose.ts';
import { misspelled, readProjectWords } from '../../scripts/words/spelling.ts';

const found = (path: string, content: string): readonly string[] =>
  findPhrases(proseOf(path, content)).map(({ found }) => found);

test('comments and messages are read, code and single words are not', () => {
  const source = `
    // Nobody reads this.
    const folder = nobody('folder', "the folder is gone");
    /* mended */ const pattern = /for ever/;`;
  assert.deepEqual(found('src/a.ts', source), ['Nobody', 'folder', 'is gone', 'mended']);
});

test('in tests, titles are read and other strings are not', () => {
  assert.deepEqual(found('test/a.test.ts', "test('nobody waits', () => check('somebody else waits'));"), ['nobody']);
});

test('in Markdown, code and addresses are not read', () => {
  const page = 'A `folder` in [nobody](https://nobody.example/for ever).\n```sh\nmend it\n```\nIt was\nmended.\n';
  assert.deepEqual(found('docs/a.md', page), ['nobody', 'mended']);
});

test('comments of configuration files are read', () => {
  assert.deepEqual(found('examples/a.yml', '# the folder\nfolder: x # left alone\n'), ['folder', 'left alone']);
});

test('a phrase is found across a line break, with the line where it begins', () => {
  const [finding] = findAll(
    [{ path: 'src/a.ts', content: '\n/**\n * What is kept is told to\n * them for\n * ever.\n */' }],
    new Set(),
  );
  assert.equal(finding?.line, 3);
  assert.deepEqual(found('src/a.ts', '/** It waits for\n * ever. */'), ['for ever']);
});

test('a sentence may not begin with a relative "who" or "what", a question may', () => {
  assert.deepEqual(found('docs/a.md', 'What ran continues.\n\nIt works. Who asks gets it.\n'), [
    'What ran',
    'Who asks',
  ]);
  assert.deepEqual(found('docs/a.md', 'What can fail?\n\nIt names what ran and who asked.\n'), []);
});

test('words that neither a dictionary nor the project knows are misspelled', () => {
  const known = readProjectWords('# comment\nnamerd\nKubernetes\n');
  const words = new Set([
    'behaviour',
    'behavior',
    'namerd',
    "namerd's",
    'Namerd',
    'Kubernetes',
    'well-known',
    'recieve',
    'well-knwon',
  ]);
  assert.deepEqual([...misspelled(words, known)], ['recieve', 'well-knwon']);
});

test('identifiers, paths and parts of templates are not words', () => {
  const content = `const x = \`the $\{a}ize of dstNmae in /etc/hsots is l5d:srv:cnt and teh end\`;`;
  assert.deepEqual(
    findAll([{ path: 'src/a.ts', content }], new Set()).map(({ problem }) => problem.split(':')[0]),
    ['"teh"'],
  );
});

test('a file may keep as many findings as it has, and no more', () => {
  const findings = findAll([{ path: 'docs/a.md', content: 'A folder. A folder.' }], new Set());
  assert.equal(findExcess(findings, { 'docs/a.md': 2 }).length, 0);
  assert.equal(findExcess(findings, { 'docs/a.md': 1 }).length, 2);
  assert.equal(findExcess(findings, {}).length, 2);
  assert.deepEqual(tightened(findings, { 'docs/a.md': 5, 'docs/b.md': 3 }), { 'docs/a.md': 2 });
  assert.deepEqual(tightened(findings, { 'docs/a.md': 1 }), { 'docs/a.md': 1 });
});
