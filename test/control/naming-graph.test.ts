/** Namers and interpreters across reloads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamingGraph } from '../../src/control/naming-graph.ts';
import { silentLog } from '../../src/log.ts';
import { Registry } from '../../src/metrics/registry.ts';
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
