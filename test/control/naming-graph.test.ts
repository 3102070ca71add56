/** Namers and interpreters across reloads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER } from 'rxjs';
import { NamingGraph } from '../../src/control/naming-graph.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
import type { Kinds } from '../../src/settings/linkerd-tcp/config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';

const config = (...labels: string[]) => {
  const routers = labels.map(label => ({
    label,
    interpreter: { kind: 'io.l5d.namerd.http', dst: '/$/inet/127.1/1', namespace: 'default' },
    servers: [],
  }));
  return loadLinkerdTcp({ file: '<stdin>', text: JSON.stringify({ routers }) }, kinds);
};

test('the series of a removed router end with it; the interpreter of a remaining one is kept', () => {
  const registry = new Registry({ pages: 1 });
  const graph = new NamingGraph(silentLog, registry, kinds);
  const before = config('a', 'b');
  const [a] = before.routers.map(router => graph.interpreterOf(before, router));
  const after = config('a');
  graph.keepOnly(after);
  assert.equal(graph.interpreterOf(after, after.routers[0]), a);
  assert.match(registry.expose(), /l5d:resolver:success_count\{namespace="default",rt="a"\}/);
  assert.doesNotMatch(registry.expose(), /rt="b"/);
});

/** Counts the interpreters and namers that are created and closed. */
function counted() {
  const counts = { namerd: 0, fs: 0, closed: [] as string[] };
  const [namerd] = kinds.interpreters.filter(({ kind }) => kind === 'io.l5d.namerd.http');
  const [rewrite] = kinds.namers.filter(({ kind }) => kind === 'io.l5d.rewrite');
  const countedKinds: Kinds = {
    ...kinds,
    interpreters: [
      ...kinds.interpreters.filter(kind => kind !== namerd),
      {
        ...namerd,
        create(_config, context) {
          counts.namerd++;
          return {
            bind: () => NEVER,
            delegate: async () => assert.fail(),
            close: () => void counts.closed.push(`namerd ${context.namers.length}`),
          };
        },
      },
    ],
    namers: [
      ...kinds.namers.filter(kind => kind !== rewrite),
      {
        ...rewrite,
        create(_config, { prefix }) {
          counts.fs++;
          return { lookup: () => NEVER, close: () => void counts.closed.push(prefix.join('/')) };
        },
      },
    ],
  };
  return { counts, graph: new NamingGraph(silentLog, new Registry({ pages: 1 }), countedKinds) };
}

const withNamers = (...prefixes: string[]) => {
  const namers = prefixes.map(prefix => ({ kind: 'io.l5d.rewrite', prefix, pattern: '/a', name: '/b' }));
  const interpreters = [{ kind: 'io.l5d.namerd.http', dst: '/$/inet/127.1/1' }, { kind: 'default' }];
  const routers = interpreters.map((interpreter, i) => ({ label: `r${i}`, interpreter, servers: [] }));
  return loadLinkerdTcp({ file: '<stdin>', text: JSON.stringify({ namers, routers }) }, kinds);
};

// Each reload made new connections to namerd.
test('a namer that is added leaves the interpreter of a namerd and the other namers as they are', () => {
  const { counts, graph } = counted();
  const before = withNamers('/one');
  const [namerd, own] = before.routers.map(router => graph.interpreterOf(before, router));
  const after = withNamers('/one', '/two');
  const [namerdAfter, ownAfter] = after.routers.map(router => graph.interpreterOf(after, router));
  graph.keepOnly(after);
  assert.equal(namerdAfter, namerd);
  assert.notEqual(ownAfter, own, 'names may mean something else by the namers of the file');
  assert.deepEqual([counts.namerd, counts.fs, counts.closed], [1, 2, []]);
});

test('interpreters and namers that a reload drops are closed, once; the end closes the rest', async () => {
  const { counts, graph } = counted();
  const before = withNamers('/one', '/two');
  for (const router of before.routers) graph.interpreterOf(before, router);
  const after = { ...withNamers('/two'), routers: before.routers.slice(1) };
  for (const router of after.routers) graph.interpreterOf(after, router);
  graph.keepOnly(after);
  graph.keepOnly(after);
  assert.deepEqual(counts.closed, ['namerd 2', '#/one']);
  await graph.close();
  assert.deepEqual(counts.closed, ['namerd 2', '#/one', '#/two']);
});
