/** Namer `io.l5d.fs`, on real folders. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Observable, of, switchMap } from 'rxjs';
import type { NameTree } from '../../src/dtab/name-tree.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { showPath } from '../../src/dtab/show.ts';
import type { Activity } from '../../src/live/activity.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { type Addr, pendingAddr } from '../../src/naming/addr.ts';
import { createDns } from '../../src/naming/dns.ts';
import { namerConfig } from '../../src/naming/kinds.ts';
import type { Name } from '../../src/naming/name.ts';
import { transformerKinds } from '../../src/naming/transformers/kinds.ts';
import { countResources } from '../support/counted-watchers.ts';
import { fakeDns, knownHost, mountNamers, namingContext, observe } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const schema = namerConfig(namerKinds, transformerKinds);

function fsNamer(t: TestContext, { hosts = {}, transformers = [] as object[], dns = fakeDns(hosts) } = {}) {
  const folder = tempDir(t);
  const context = namingContext({ dns });
  const config = schema.parse({ kind: 'io.l5d.fs', rootDir: folder.path, transformers });
  const mounted = mountNamers([config], namerKinds, transformerKinds, context);
  const lookup = (path: string) => mounted.namers[0].namer.lookup(parsePath(path));
  return {
    folder,
    log: context.log,
    watches: mounted.watches,
    list: () => mounted.namers[0].namer.list!(),
    tree: (path: string) => observe(t, lookup(path)),
    addr: (path: string) => observe(t, lookup(path).pipe(switchMap(addrOf))),
  };
}

function addrOf(activity: Activity<NameTree<Name>>): Observable<Addr> {
  const tree = activity.state === 'ok' ? activity.value : undefined;
  return tree?.type === 'leaf' && tree.value.type === 'bound' ? tree.value.bound.addr : of(pendingAddr);
}

function show(activity: Activity<NameTree<Name>>): string {
  if (activity.state !== 'ok') return activity.state;
  const tree = activity.value;
  if (tree.type !== 'leaf' || tree.value.type !== 'bound') return tree.type;
  return `${showPath(tree.value.bound.id)} ${showPath(tree.value.bound.residual)}`;
}

const isAt =
  (...endpoints: string[]) =>
  (addr: Addr) =>
    addr.state === 'bound' && addr.addresses.map(({ ip, port }) => `${ip}:${port}`).join() === endpoints.join();

const isKnown = ({ state }: Activity<unknown>) => state === 'ok';

test('a file is a name with its addresses and weights; what follows it is residual', async t => {
  const { folder, tree, addr } = fsNamer(t);
  folder.write('users', '127.0.0.1 8080\n127.1 8081 * 0.23\n');
  assert.equal(show(await tree('/users/a/b').until(isKnown, 'the tree')), '/#/io.l5d.fs/users /a/b');
  const bound = await addr('/users/a/b').until(isAt('127.0.0.1:8080', '127.0.0.1:8081'), 'both addresses');
  assert.deepEqual(bound.state === 'bound' && bound.addresses.map(({ meta }) => meta), [
    {},
    { endpoint_addr_weight: 0.23 },
  ]);
});

test('folders are walked; a folder itself, and what is missing, is Neg', async t => {
  const { folder, tree } = fsNamer(t);
  folder.write('eu/west/users', '10.0.0.1 1\n');
  assert.equal(show(await tree('/eu/west/users/x').until(isKnown, 'users')), '/#/io.l5d.fs/eu/west/users /x');
  for (const path of ['/eu', '/eu/west', '/eu/west/none', '/none', '/'])
    assert.equal(show(await tree(path).until(isKnown, path)), 'neg');
});

test('no name leads out of the folder', async t => {
  const { folder, tree } = fsNamer(t);
  folder.write('inside/users', '10.0.0.1 1\n');
  for (const path of [
    '/..',
    '/../etc/passwd',
    '/inside/../inside/users',
    '/./inside/users',
    '/inside\\x2fusers',
    '/inside/users\\x00',
    '/\\xff',
  ])
    assert.equal(show(await tree(path).until(isKnown, path)), 'neg', path);
});

test('a change of the addresses flows through the addr alone, within a second and for every way to write a file', async t => {
  const { folder, tree, addr } = fsNamer(t);
  const file = folder.write('users', '10.0.0.1 1\n');
  const trees = tree('/users');
  const addrs = addr('/users');
  await addrs.until(isAt('10.0.0.1:1'), 'the first address');

  const startedAt = performance.now();
  writeFileSync(file, '10.0.0.2 2\n');
  await addrs.until(isAt('10.0.0.2:2'), 'an edit in place');
  assert.ok(performance.now() - startedAt < 1000);
  folder.write('users', '10.0.0.3 3\n');
  await addrs.until(isAt('10.0.0.3:3'), 'a rename over the file');
  renameSync(file, `${file}~`);
  writeFileSync(file, '10.0.0.4 4\n');
  await addrs.until(isAt('10.0.0.4:4'), 'an edit that keeps a backup, as vim does');
  assert.deepEqual(trees.values.map(show), ['pending', '/#/io.l5d.fs/users /']);
});

test('the swap of a link to a folder, as Kubernetes does for volumes, is seen', async t => {
  const { folder, addr } = fsNamer(t);
  folder.write('v1/users', '10.0.0.1 1\n');
  folder.write('v2/users', '10.0.0.2 2\n');
  const link = join(folder.path, '..data');
  symlinkSync('v1', link);
  symlinkSync('..data/users', join(folder.path, 'users'));
  const addrs = addr('/users');
  await addrs.until(isAt('10.0.0.1:1'), 'the first version');
  symlinkSync('v2', `${link}_tmp`);
  renameSync(`${link}_tmp`, link);
  await addrs.until(isAt('10.0.0.2:2'), 'the second version');
});

test('the tree changes when the file goes and when it comes, also with its folder', async t => {
  const { folder, tree } = fsNamer(t);
  const trees = tree('/eu/users');
  await trees.until(isKnown, 'a missing file');
  folder.write('eu/users', '10.0.0.1 1\n');
  await trees.until(activity => show(activity) === '/#/io.l5d.fs/eu/users /', 'the file');
  folder.remove('eu');
  await trees.until(activity => show(activity) === 'neg', 'the folder gone');
  mkdirSync(join(folder.path, 'eu'));
  folder.write('eu/users', '10.0.0.1 1\n');
  await trees.until(activity => show(activity) === '/#/io.l5d.fs/eu/users /', 'the file again');
});

test('an empty file is a name without addresses, which does not fall through', async t => {
  const { folder, tree, addr } = fsNamer(t);
  folder.write('users', '# nobody\n');
  assert.equal(show(await tree('/users').until(isKnown, 'the tree')), '/#/io.l5d.fs/users /');
  await addr('/users').until(isAt(), 'no addresses');
});

test('a bad line fails the addr with file and line; after a good set that set is kept, and it is reported once', async t => {
  const { folder, tree, addr, log, watches } = fsNamer(t);
  const file = folder.write('users', '10.0.0.1 1\nusers:80\n');
  const trees = tree('/users');
  const addrs = addr('/users');
  const failed = await addrs.until(({ state }) => state === 'failed', 'the failure');
  assert.match(
    failed.state === 'failed' ? failed.error.message : '',
    new RegExp(`^${file}:2: malformed address: users:80`),
  );
  folder.write('users', '10.0.0.1 1\n');
  await addrs.until(isAt('10.0.0.1:1'), 'the good set');
  folder.write('users', '10.0.0.2 2\n10.0.0.3 x\n');
  await until(() => log.lines.length >= 3, 'the report');
  assert.ok(isAt('10.0.0.1:1')(addrs.last!));
  assert.match(watches()[0].failure ?? '', /users:2: malformed/);
  assert.deepEqual(trees.values.map(show), ['pending', '/#/io.l5d.fs/users /']);
  assert.deepEqual(
    log.lines.map(line => line.replace(`${file}:`, '').replace(/ \(.*\)/, '')),
    [
      'warn: /#/io.l5d.fs/users: 2: malformed address: users:80',
      'info: /#/io.l5d.fs/users: recovered',
      'warn: /#/io.l5d.fs/users: 2: malformed address: 10.0.0.3 x; the last known answer stays in use',
    ],
  );
});

test('a file that is too large is not read', async t => {
  const { folder, addr } = fsNamer(t);
  folder.write('users', '#'.repeat(500_001));
  const failed = await addr('/users').until(({ state }) => state === 'failed', 'the failure');
  assert.match(failed.state === 'failed' ? failed.error.message : '', /users cannot be read: larger than 500000 bytes/);
});

test('host names are followed: an address that DNS changes is changed', async t => {
  const db = knownHost('10.0.0.1', '10.0.0.2');
  const { folder, addr } = fsNamer(t, { hosts: { db } });
  folder.write('users', 'db 5432\n10.9.9.9 1\n');
  const addrs = addr('/users');
  await addrs.until(isAt('10.0.0.1:5432', '10.0.0.2:5432', '10.9.9.9:1'), 'both');
  db.next({ state: 'bound', ips: ['10.0.0.3'] });
  await addrs.until(isAt('10.0.0.3:5432', '10.9.9.9:1'), 'the new address');
  db.next({ state: 'neg' });
  await addrs.until(isAt('10.9.9.9:1'), 'the rest');
});

test('an edit during a DNS outage keeps the addresses that are known', async t => {
  let isDown = false;
  const dns = createDns({
    lookup: async () => {
      if (isDown) throw new Error('DNS cannot resolve db.example: no answer');
      return { type: 'found', ips: ['10.0.0.9'], ttlMs: 5 };
    },
  });
  const { folder, addr } = fsNamer(t, { dns });
  folder.write('users', '10.0.0.1 80\ndb.example 80\n');
  const users = addr('/users');
  await users.until(isAt('10.0.0.1:80', '10.0.0.9:80'), 'both');
  isDown = true;
  await users.until(each => each.state === 'bound' && each.unconfirmed !== undefined, 'the failure to show');
  folder.write('users', '# a comment\n10.0.0.2 80\ndb.example 80\n');
  await users.until(isAt('10.0.0.2:80', '10.0.0.9:80'), 'the edit, with the known address');
  assert.ok(!users.values.some(isAt('10.0.0.2:80')), 'never without it');
});

test('names in directories are listed, too; hidden files are not', async t => {
  const { folder, list } = fsNamer(t);
  for (const file of ['web', 'eu/db', 'eu/deep/er', '.hidden', '.data/web']) folder.write(file, '');
  const names = await list();
  assert.deepEqual(names.map(showPath).sort(), ['/#/io.l5d.fs/eu/db', '/#/io.l5d.fs/eu/deep/er', '/#/io.l5d.fs/web']);
});

test("a namer's transformers change what it binds", async t => {
  const { folder, tree, addr } = fsNamer(t, { transformers: [{ kind: 'io.l5d.port', port: 4140 }] });
  folder.write('users', '10.0.0.1 1\n10.0.0.1 2\n10.0.0.2 1\n');
  await addr('/users').until(isAt('10.0.0.1:4140', '10.0.0.2:4140'), 'one address for each host');
  assert.equal(show(await tree('/users').until(isKnown, 'the tree')), '/%/io.l5d.port/4140/#/io.l5d.fs/users /');
});

test('all observers share one watch, and nothing is watched after the last one', async t => {
  const { folder, addr, watches } = fsNamer(t);
  const open = countResources(t);
  folder.write('users', '10.0.0.1 1\n');
  const observers = ['/users', '/users', '/users/a'].map(path => addr(path));
  for (const observer of observers) await observer.until(isAt('10.0.0.1:1'), 'the address');
  assert.deepEqual([open.watchers(), open.intervals()], [1, 1]);
  assert.deepEqual(
    watches().map(({ path, ageMs }) => [path, ageMs]),
    [
      ['/#/io.l5d.fs/users', 0],
      ['/#/io.l5d.fs/users/a', 0],
    ],
  );
  for (const observer of observers) observer.stop();
  await until(() => open.watchers() === 0, 'the end of the watch');
  assert.equal(open.intervals(), 0);
  assert.deepEqual(watches(), []);
});

test('a rootDir that is not a folder is a problem of the config that names it', t => {
  const folder = tempDir(t);
  const file = folder.write('file', '');
  for (const rootDir of [file, join(folder.path, 'none')]) {
    assert.equal(existsSync(join(rootDir, 'x')), false);
    const { error } = schema.safeParse({ kind: 'io.l5d.fs', rootDir });
    assert.deepEqual(
      error?.issues.map(({ path, message }) => [path, message]),
      [[['rootDir'], `is not an existing directory: ${rootDir}`]],
    );
  }
  unlinkSync(file);
});

test('the prefix of a namer must be a path with a label', t => {
  const rootDir = tempDir(t).path;
  assert.deepEqual(schema.parse({ kind: 'io.l5d.fs', rootDir }), {
    kind: 'io.l5d.fs',
    rootDir,
    prefix: '/io.l5d.fs',
    transformers: [],
  });
  for (const prefix of ['files', '/', '/a/', ''])
    assert.equal(schema.safeParse({ kind: 'io.l5d.fs', rootDir, prefix }).success, false, prefix);
});
