/** The layer check itself, and that src/ passes it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { importsOf } from '../scripts/imports.ts';
import { checkLayers, readSources } from '../scripts/layers.ts';

const problemsOf = (files: Readonly<Record<string, string>>): readonly string[] =>
  checkLayers(Object.entries(files).map(([path, text]) => ({ path, text }))).problems;

test('src imports only downwards, without cycles, in files of bounded length', () => {
  const { problems } = checkLayers(readSources(join(import.meta.dirname, '../src')));
  assert.deepEqual(problems, []);
});

test('every way to import is found, with its line', () => {
  const source = [
    "import { a } from './a.ts';",
    "import type { B } from './b.ts';",
    "import './c.ts';",
    "export * from './d.ts';",
    "export type { E } from './e.ts';",
    'import {',
    '  f,',
    "} from './f.ts';",
    "const g = await import('./g.ts');",
    "type H = import('./h.ts').H;",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is source text
    'const n = `${await import("./n.ts")} text`;',
  ].join('\n');
  assert.deepEqual(
    importsOf(source).map(({ specifier, line }) => `${specifier}:${line}`),
    ['a:1', 'b:2', 'c:3', 'd:4', 'e:5', 'f:6', 'g:9', 'h:10', 'n:11'].map(s => `./${s.replace(':', '.ts:')}`),
  );
});

test('comments, strings, templates and regular expressions are not imports', () => {
  const source = [
    "// import a from './a.ts'",
    "/* import b from './b.ts' */",
    'const text = "import c from \'./c.ts\'";',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is source text
    "const template = `import d from './d.ts' ${'}'} import './e.ts'`;",
    'const pattern = /[\'"`/]/g;',
    "import z from './z.ts';",
    'const url = import.meta.url;',
    "const half = 4 / 2; const quote = '/';",
  ].join('\n');
  assert.deepEqual(importsOf(source), [{ specifier: './z.ts', line: 6 }]);
});

test('an upward import is named with its line and both rooms', () => {
  assert.deepEqual(problemsOf({ 'naming/a.ts': "\nimport type { B } from '../proxy/b.ts';\n", 'proxy/b.ts': '' }), []);
  assert.deepEqual(problemsOf({ 'proxy/b.ts': "\nimport type { A } from '../naming/a.ts';\n", 'naming/a.ts': '' }), [
    'src/proxy/b.ts:2: upward import, proxy → naming (../naming/a.ts)',
  ]);
  assert.equal(problemsOf({ 'errors.ts': "import('./index.ts');", 'index.ts': '' }).length, 1);
});

test('a cycle of files is found, also inside one room and through types only', () => {
  const problems = problemsOf({
    'io/a.ts': "import './b.ts';",
    'io/b.ts': "import type { C } from './c.ts';",
    'io/c.ts': "export * from './a.ts';",
  });
  assert.deepEqual(problems, ['cycle: src/io/a.ts → src/io/b.ts → src/io/c.ts → src/io/a.ts']);
});

test('a cycle of directories is found, also between a directory and its parent', () => {
  const problems = problemsOf({
    'naming/assemble.ts': "import './builtin/inet.ts';",
    'naming/builtin/inet.ts': "import '../name.ts';",
    'naming/name.ts': '',
  });
  assert.deepEqual(problems, ['cycle of directories: src/naming → src/naming/builtin → src/naming']);
});

test('node:ffi stays in io/native and the pure rooms take nothing of Node but buffers', () => {
  assert.equal(problemsOf({ 'io/epoll.ts': "import ffi from 'node:ffi';" }).length, 1);
  assert.equal(problemsOf({ 'io/native/calls.ts': "import ffi from 'node:ffi';" }).length, 0);
  assert.equal(problemsOf({ 'balancer/p2c.ts': "import { Buffer } from 'node:buffer';" }).length, 0);
  for (const specifier of ['node:net', 'fs', 'rxjs', 'rxjs/operators']) {
    assert.equal(problemsOf({ 'dtab/x.ts': `import '${specifier}';` }).length, 1, specifier);
  }
});

test('unknown rooms, missing files and files over 600 lines are problems', () => {
  assert.match(problemsOf({ 'misc/a.ts': '' })[0] ?? '', /room misc is not in the list/);
  assert.match(problemsOf({ 'io/a.ts': "import './gone.ts';" })[0] ?? '', /gone\.ts is not a file/);
  assert.match(problemsOf({ 'io/a.ts': '\n'.repeat(601) })[0] ?? '', /601 lines/);
  assert.deepEqual(problemsOf({ 'io/a.ts': '\n'.repeat(600) }), []);
});
