/** The contract of namers, for each namer there is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fsNamer } from '../../src/namers/fs.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { rewriteNamer } from '../../src/namers/rewrite.ts';
import { namerContract, rewriterContract } from '../naming/namer-contract.ts';
import { countResources } from '../support/counted-watchers.ts';
import { namingContext } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';

const prefixOf = (kind: string) => ['#', kind];

namerContract(fsNamer.kind, t => {
  const dir = tempDir(t);
  const resources = countResources(t);
  const prefix = prefixOf(fsNamer.kind);
  return {
    namer: fsNamer.create({ rootDir: dir.path }, { ...namingContext(), prefix }),
    prefix,
    path: '/users',
    set: ips => void dir.write('users', ips.map(ip => `${ip} 80\n`).join('')),
    remove: () => dir.remove('users'),
    held: () => resources.watchers() + resources.intervals(),
  };
});

const pattern = { pattern: '/svc/{name}', name: '/host/{name}' };
rewriterContract(
  rewriteNamer.kind,
  rewriteNamer.create(pattern, { ...namingContext(), prefix: prefixOf(rewriteNamer.kind) }),
  { known: '/svc/web', unknown: '/other/web' },
);

test('every namer that a configuration can name runs the contract', () => {
  assert.deepEqual(
    namerKinds.map(({ kind }) => kind),
    [fsNamer.kind, rewriteNamer.kind],
  );
});
