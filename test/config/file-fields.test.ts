/** Paths of files in a configuration: resolved and checked, whichever kind names them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { z } from 'zod';
import { checkFiles, dirPath, fileFields, filePath, resolvePaths } from '../../src/config/file-fields.ts';
import { pathText } from '../../src/config/problem.ts';
import { definition, type Schema } from '../../src/config/schema-walk.ts';
import { configSchema } from '../../src/settings/linkerd-tcp/config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { namerdSchema } from '../../src/settings/namerd/config.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { tempDir } from '../support/temp-dir.ts';

const sample = z.strictObject({
  needed: filePath().optional().meta({ description: 'x' }),
  many: z.array(filePath()).optional(),
  byName: z.record(z.string(), z.strictObject({ dir: dirPath() })).optional(),
  log: filePath('output').optional(),
  later: filePath('optional').default('later.txt'),
  tls: z.strictObject({ enabled: z.boolean().optional(), cert: filePath() }).optional(),
  text: z.string().optional(),
});

test('every path starts from the directory of the configuration, and nothing else is touched', () => {
  const value = {
    needed: 'a.pem',
    many: ['b.pem', '/c.pem'],
    byName: { x: { dir: 'd' } },
    log: '-',
    later: '../e',
    text: 'f.pem',
    unknown: 'g.pem',
  };
  assert.deepEqual(resolvePaths(sample, value, '/etc/proxy'), {
    ...value,
    needed: '/etc/proxy/a.pem',
    many: ['/etc/proxy/b.pem', '/c.pem'],
    byName: { x: { dir: '/etc/proxy/d' } },
    later: '/etc/e',
  });
});

test('values that do not fit the schema stay as they are', () => {
  for (const value of [null, 7, 'text', [], { needed: 7, many: 'x', byName: [1], tls: null }])
    assert.deepEqual(resolvePaths(sample, value, '/etc'), value);
});

test('a needed file that cannot be read is reported where it stands; an optional one is not', t => {
  const dir = tempDir(t).path;
  writeFileSync(join(dir, 'good'), '');
  mkdirSync(join(dir, 'dir'));
  const problems = (value: object) => {
    const found: string[] = [];
    checkFiles(sample, resolvePaths(sample, value, dir), ({ path, message }) =>
      found.push(`${pathText(path)}: ${message.replaceAll(dir, '.')}`),
    );
    return found;
  };
  assert.deepEqual(problems({ needed: 'good', byName: { x: { dir: 'dir' } }, later: 'absent', log: 'absent' }), []);
  assert.deepEqual(problems({ needed: 'absent', many: ['good', 'dir'], byName: { x: { dir: 'good' } } }), [
    'needed: cannot read ./absent: no such file',
    'many[1]: cannot read ./dir: it is a directory',
    'byName.x.dir: cannot read ./good: it is not a directory',
  ]);
  assert.deepEqual(problems({ tls: { enabled: false, cert: 'absent' } }), []);
  assert.deepEqual(problems({ tls: { cert: 'absent' } }), ['tls.cert: cannot read ./absent: no such file']);
});

/** A text that some configuration can have, with the keys on the way and the smallest value that has one there. */
interface Leaf {
  readonly place: string;
  readonly schema: Schema;
  readonly valueWith: (text: string) => unknown;
}

/** All texts of a schema, those of every kind included. */
function texts(schema: Schema, place = '', valueWith: (part: unknown) => unknown = part => part): Leaf[] {
  const def = definition(schema);
  switch (def.type) {
    case 'object': {
      const tag = 'kind' in def.shape ? kindIn(def.shape['kind']) : undefined;
      return Object.entries(def.shape).flatMap(([key, each]) =>
        texts(each, `${place}.${key}`, part => valueWith({ ...(tag !== undefined && { kind: tag }), [key]: part })),
      );
    }
    case 'array':
      return texts(def.element, `${place}[]`, part => valueWith([part]));
    case 'record':
      return texts(def.valueType, `${place}{}`, part => valueWith({ 'a.test': part }));
    case 'union':
      return def.options.flatMap(each => {
        const inner = definition(each);
        const tag = inner.type === 'object' && 'kind' in inner.shape ? kindIn(inner.shape['kind']) : undefined;
        return texts(each, tag === undefined ? place : `${place}(${tag})`, valueWith);
      });
    case 'string':
      return [{ place, schema, valueWith }];
    default:
      return 'innerType' in def ? texts(def.innerType as Schema, place, valueWith) : [];
  }
}

function kindIn(schema: Schema): string | undefined {
  const def = definition(schema);
  if (def.type === 'literal') return String(def.values[0]);
  return 'innerType' in def ? kindIn(def.innerType as Schema) : undefined;
}

/** Texts whose keys sound like paths and are not paths of files. */
const otherPaths = /\.pathPrefix$|telemetry\[\].*\.path$|transformers\[\]\(io\.l5d\.(?:const|replace)\)\.path$/;

for (const [program, schema] of [
  ['linkerd-tcp', configSchema(kinds)],
  ['namerd', namerdSchema(namerdKinds)],
] as const) {
  const all = texts(schema);
  const isFile = (leaf: Leaf) => fileFields.get(leaf.schema as z.ZodType) !== undefined;

  test(`${program}: every path of every kind is resolved from the directory of the configuration`, () => {
    const files = all.filter(isFile);
    assert.ok(files.length >= 15, `${files.length} paths`);
    for (const { place, valueWith } of files)
      assert.deepEqual(resolvePaths(schema, valueWith('x.pem'), '/etc/here'), valueWith('/etc/here/x.pem'), place);
  });

  test(`${program}: a key that sounds like a path is declared as one`, () => {
    const undeclared = all
      .filter(leaf =>
        /(?:file|path|dir|kubeconfig|certs?|privateKey|trustCerts\w*|crls|ocspStaple)(?:\[\])?$/i.test(leaf.place),
      )
      .filter(leaf => !isFile(leaf) && !otherPaths.test(leaf.place));
    assert.deepEqual(
      undeclared.map(({ place }) => place),
      [],
    );
  });
}
