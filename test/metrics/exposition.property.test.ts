/** After any sequence of registrations, counts and releases, the exposition is well formed and matches a simple model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cell, Cells } from '../../src/metrics/cells.ts';
import { bounds } from '../../src/metrics/layout.ts';
import { Registry, type Scope } from '../../src/metrics/registry.ts';
import { parseExposition } from './parse-exposition.ts';

const pages = 3;
const names = ['/svc/a', '/svc/"b"', '/svc/c\\d\ne', 'ключ', ''] as const;

/** Values by series; integers, so that sums do not depend on their order. */
interface ModelScope {
  readonly scope: Scope;
  readonly dst: string;
  readonly cells: Map<'connects' | 'open' | 'latency', Cell>;
  isReleased: boolean;
}

interface ModelSeries {
  registrations: number;
  value: number;
  observed: number[];
}

const operation = fc.oneof(
  fc.record({ type: fc.constant('open' as const), dst: fc.constantFrom(...names) }),
  fc.record({ type: fc.constant('release' as const), scope: fc.nat() }),
  fc.record({ type: fc.constant('confirm' as const), scope: fc.nat() }),
  fc.record({
    type: fc.constantFrom('count' as const, 'gauge' as const, 'observe' as const),
    scope: fc.nat(),
    page: fc.nat({ max: pages - 1 }),
    n: fc.nat({ max: 1e6 }),
  }),
);

test('the exposition always parses and equals the model', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), operations => {
      const registry = new Registry({ pages, capacity: 1 << 12 });
      const writers = registry.pages.map(page => new Cells(page));
      const scopes: ModelScope[] = [];
      const model = new Map<string, ModelSeries>();
      const of = (kind: string, dst: string) => model.get(`${kind} ${dst}`);

      for (const step of operations) {
        if (step.type === 'open') {
          const scope = registry.scope({ rt: 'edge', dst: step.dst });
          const cells: ModelScope['cells'] = new Map([
            ['connects', scope.counter('l5d:balancer:connection:connects')],
            ['open', scope.gauge('l5d:balancer:connection:open')],
            ['latency', scope.histogram('l5d:balancer:connection:latency_us')],
          ]);
          scopes.push({ scope, dst: step.dst, cells, isReleased: false });
          for (const kind of cells.keys()) {
            const known = of(kind, step.dst) ?? { registrations: 0, value: 0, observed: [] };
            known.registrations++;
            model.set(`${kind} ${step.dst}`, known);
          }
          continue;
        }
        const chosen = scopes[step.scope % scopes.length];
        if (chosen === undefined) {
          continue;
        }
        if (step.type === 'release') {
          chosen.scope.release();
          for (const kind of chosen.isReleased ? [] : chosen.cells.keys()) {
            const known = of(kind, chosen.dst)!;
            known.registrations--;
            if (known.registrations === 0) model.delete(`${kind} ${chosen.dst}`);
          }
          chosen.isReleased = true;
        } else if (step.type === 'confirm') {
          if (chosen.isReleased) {
            chosen.scope.confirmReleased();
            scopes.splice(scopes.indexOf(chosen), 1);
          }
        } else {
          // Released scopes are still written to, as by a worker that does not know yet: this must not be visible,
          // except through a registration that shares the series.
          const writer = writers[step.page];
          const kind = { count: 'connects', gauge: 'open', observe: 'latency' } as const;
          const cell = chosen.cells.get(kind[step.type])!;
          const isShared = scopes.some(
            each => !each.isReleased && each.cells.get(kind[step.type]) === cell && each.dst === chosen.dst,
          );
          const known = isShared ? of(kind[step.type], chosen.dst) : undefined;
          if (step.type === 'observe') {
            writer.observe(cell, step.n);
            known?.observed.push(step.n);
          } else {
            const by = step.type === 'gauge' ? step.n - 5e5 : step.n;
            writer.add(cell, by);
            if (known !== undefined) known.value += by;
          }
        }
      }

      const families = parseExposition(registry.expose());
      const exposed = (family: string) => families.get(family)?.samples ?? [];
      const plain = (family: string) =>
        Object.fromEntries(exposed(family).map(each => [each.labels['dst'], each.value]));
      const expected = (kind: string, value: (series: ModelSeries) => number) =>
        Object.fromEntries(
          names.flatMap(dst => {
            const known = of(kind, dst);
            return known === undefined || Number.isNaN(value(known)) ? [] : [[dst, value(known)]];
          }),
        );
      assert.deepEqual(
        plain('l5d:balancer:connection:connects'),
        expected('connects', series => series.value),
      );
      assert.deepEqual(
        plain('l5d:balancer:connection:open'),
        expected('open', series => series.value),
      );
      const least = ({ observed }: ModelSeries) => (observed.length === 0 ? Number.NaN : Math.min(...observed));
      const most = ({ observed }: ModelSeries) => (observed.length === 0 ? Number.NaN : Math.max(...observed));
      assert.deepEqual(plain('l5d:balancer:connection:latency_us_min'), expected('latency', least));
      assert.deepEqual(plain('l5d:balancer:connection:latency_us_max'), expected('latency', most));
      for (const dst of names) {
        const samples = exposed('l5d:balancer:connection:latency_us').filter(each => each.labels['dst'] === dst);
        const observed = of('latency', dst)?.observed;
        assert.deepEqual(
          samples.map(each => each.value),
          observed === undefined
            ? []
            : [
                ...bounds.values().map(bound => observed.filter(each => each <= bound).length),
                observed.length,
                observed.reduce((sum, each) => sum + each, 0),
                observed.length,
              ],
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('a label value comes back as it went in, whatever it is', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 8 }), values => {
      const registry = new Registry({ pages: 1, capacity: 64 });
      for (const rt of values) registry.scope({ rt }).counter('l5d:route_create');
      const samples = parseExposition(registry.expose()).get('l5d:route_create')?.samples ?? [];
      assert.deepEqual(
        new Set(samples.map(each => each.labels['rt'])),
        new Set(values.map(each => each.replaceAll('\0', '\ufffd'))),
      );
    }),
  );
});
