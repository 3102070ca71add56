/** Interpreters `default` and `io.l5d.fs`. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { NameTree } from '../../src/dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { showPath, showTreeOf } from '../../src/dtab/show.ts';
import { createInterpreter } from '../../src/interpreters/assemble.ts';
import { interpreterKinds } from '../../src/interpreters/kinds.ts';
import type { Activity } from '../../src/live/activity.ts';
import { namerKinds } from '../../src/namers/kinds.ts';
import { destination } from '../../src/naming/destination.ts';
import { interpreterConfig, namerConfig } from '../../src/naming/kinds.ts';
import type { Bound } from '../../src/naming/name.ts';
import { transformerKinds } from '../../src/naming/transformers/kinds.ts';
import { countResources } from '../support/counted-watchers.ts';
import { mountNamers, namingContext, observe } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

function interpreter(config: object, namers: object[] = []) {
  const context = namingContext();
  const mounted = mountNamers(
    namers.map(namer => namerConfig(namerKinds, transformerKinds).parse(namer)),
    namerKinds,
    transformerKinds,
    context,
  );
  const parsed = interpreterConfig(interpreterKinds, transformerKinds).parse(config);
  const made = createInterpreter(parsed, interpreterKinds, transformerKinds, { ...context, namers: mounted.namers });
  return { log: context.log, interpreter: made };
}

const show = (activity: Activity<NameTree<Bound>>): string =>
  activity.state === 'ok'
    ? showTreeOf(activity.value, ({ id }) => showPath(id))
    : activity.state === 'failed'
      ? `failed: ${activity.error.message}`
      : 'pending';

function bind(t: TestContext, made: ReturnType<typeof interpreter>, dtab: string, path: string) {
  return observe(t, made.interpreter.bind(parseDtab(dtab), parsePath(path)));
}

test('default binds by the dtab and the namers, the last one configured first', async t => {
  const folder = tempDir(t);
  folder.write('one/web', '10.0.0.1 1\n');
  folder.write('one/api', '10.0.0.1 1\n');
  folder.write('two/web', '10.0.0.2 1\n');
  const made = interpreter({ kind: 'default' }, [
    { kind: 'io.l5d.fs', prefix: '/all', rootDir: join(folder.path, 'one') },
    { kind: 'io.l5d.fs', prefix: '/all', rootDir: join(folder.path, 'two') },
    { kind: 'io.l5d.rewrite', prefix: '/rw', pattern: '/{x}.svc', name: '/svc/{x}' },
  ]);
  const dtab = '/svc=>/#/all';
  const found = async (path: string) => {
    const bound = made.interpreter.bind(parseDtab(dtab), parsePath(path));
    const options = { onNegative: 'fail', now: () => 0, log: made.log } as const;
    const observer = observe(t, destination({ ...made.interpreter, bind: () => bound }, [], parsePath(path), options));
    const known = await observer.until(({ state }) => state === 'bound' || state === 'negative', path);
    return known.state === 'bound'
      ? known.branches.flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
      : known.state;
  };
  assert.deepEqual(await found('/svc/web'), ['10.0.0.2']);
  assert.deepEqual(await found('/svc/api'), ['10.0.0.1']);
  assert.deepEqual(await found('/#/rw/web.svc'), ['10.0.0.2']);
  assert.deepEqual(await found('/svc/none'), 'negative');
});

test('the dtab of the file is followed live, and the dtab given wins over it', async t => {
  const folder = tempDir(t);
  const dtabFile = folder.write('web.dtab', '/svc => /$/inet/1.1.1.1/1 ; # a comment\n');
  const made = interpreter({ kind: 'io.l5d.fs', dtabFile });
  const plain = bind(t, made, '', '/svc');
  const over = bind(t, made, '/over=>/svc', '/over');
  const winning = bind(t, made, '/svc=>/$/inet/9.9.9.9/9', '/svc');
  await plain.until(activity => show(activity) === '/$/inet/1.1.1.1/1', 'the first dtab');
  folder.write('web.dtab', '/svc => /$/inet/2.2.2.2/2\n');
  for (const observer of [plain, over])
    await observer.until(activity => show(activity) === '/$/inet/2.2.2.2/2', 'the second dtab');
  assert.equal(show(winning.last!), '/$/inet/9.9.9.9/9');
});

test('a dtab file that turns bad or goes keeps the last good dtab, and is reported once per change', async t => {
  const folder = tempDir(t);
  const dtabFile = folder.write('web.dtab', '/svc => /$/inet/1.1.1.1/1;\n/b = /c');
  const made = interpreter({ kind: 'io.l5d.fs', dtabFile });
  const bound = bind(t, made, '', '/svc');
  await bound.until(activity => show(activity).startsWith('failed'), 'the failure');
  assert.equal(show(bound.last!), `failed: ${dtabFile}:2:5: '>' expected but ' ' found`);
  folder.write('web.dtab', '/svc => /$/inet/1.1.1.1/1');
  await bound.until(activity => show(activity) === '/$/inet/1.1.1.1/1', 'the good dtab');
  folder.write('web.dtab', '/svc => ');
  await until(() => made.log.lines.length === 3, 'the second report');
  folder.remove('web.dtab');
  await until(() => made.log.lines.length === 4, 'the third report');
  assert.equal(show(bound.last!), '/$/inet/1.1.1.1/1');
  folder.write('web.dtab', '/svc => /$/inet/2.2.2.2/2');
  await bound.until(activity => show(activity) === '/$/inet/2.2.2.2/2', 'the new dtab');
  assert.deepEqual(
    made.log.lines.map(line => line.replaceAll(dtabFile, 'FILE')),
    [
      "error: FILE:2:5: '>' expected but ' ' found; no name can be bound",
      'info: FILE: recovered; its dtab is in effect',
      "error: FILE:1:9: a path, '(', '~', '!' or '$' expected but end of input found; the last good dtab stays in force",
      'error: FILE: no such file; the last good dtab stays in force',
      'info: FILE: recovered; its dtab is in effect',
    ],
  );
});

test('delegation goes through the dtab of the file, and is refused while there is none', async t => {
  const folder = tempDir(t);
  const made = interpreter({ kind: 'io.l5d.fs', dtabFile: join(folder.path, 'web.dtab') });
  await assert.rejects(async () => made.interpreter.delegate([], parsePath('/svc')), /web.dtab: no such file/);
  folder.write('web.dtab', '/svc => /$/inet/1.1.1.1/1');
  const keep = bind(t, made, '', '/svc');
  await keep.until(activity => activity.state === 'ok', 'the dtab');
  const tree = await made.interpreter.delegate([], parsePath('/svc'));
  assert.equal(tree.type === 'delegate' && tree.delegate.type, 'leaf');
});

test('all names share the watch of the dtab file, which ends with the last of them', async t => {
  const open = countResources(t);
  const dtabFile = tempDir(t).write('web.dtab', '/svc => /$/inet/1.1.1.1/1');
  const made = interpreter({ kind: 'io.l5d.fs', dtabFile });
  const bounds = ['/svc', '/svc/a', '/b'].map(path => bind(t, made, '', path));
  for (const bound of bounds) await bound.until(({ state }) => state === 'ok', 'a tree');
  assert.deepEqual([open.watchers(), open.intervals()], [1, 1]);
  for (const bound of bounds) bound.stop();
  await until(() => open.watchers() === 0, 'the end of the watch');
  assert.equal(open.intervals(), 0);
});
