/** Prometheus' own checker accepts the exposition. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { endpointStates, families, type GaugeName, type MetricName } from '../../src/metrics/families.ts';
import { measureProcess } from '../../src/metrics/process.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { parseExposition } from './parse-exposition.ts';

/** Of the names kept from linkerd-tcp 0.1, and of those made like them. All else would be a defect. */
const accepted =
  /^l5d:\S+ (metric names should not contain ':'|counter metrics should have "_total" suffix|metric names should not contain abbreviated units|non-histogram and non-summary metrics should not have "_count" suffix)$/;

function checkMetrics(text: string): readonly string[] {
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  assert.equal(error, undefined, 'promtool is needed: apt-get install prometheus');
  assert.ok(status === 0 || status === 3, `promtool cannot parse: ${stderr}${stdout}`);
  return `${stdout}${stderr}`.split('\n').filter(line => line !== '' && !accepted.test(line));
}

/** Every family with one or more series, and something in each. */
function everyFamily(value: (label: string) => string): Registry {
  const registry = new Registry({ pages: 2 });
  for (const name of Object.keys(families) as MetricName[]) {
    const labels = Object.fromEntries(families[name].labels.map(label => [label, value(label)]));
    const scope = registry.scope(labels);
    if (families[name].type === 'histogram') {
      const cell = scope.histogram(name as never);
      for (const observed of [0, 0.5, 37, 1e12]) registry.main.observe(cell, observed);
    } else {
      registry.main.add(scope.gauge(name as GaugeName), 1.25);
    }
  }
  return registry;
}

test('promtool parses every family and complains only about the names kept from 0.1', () => {
  const text = everyFamily(label => `a ${label}`).expose();
  assert.deepEqual(checkMetrics(text), []);
  const histograms = Object.values(families).filter(each => each.type === 'histogram').length;
  assert.equal(parseExposition(text).size, Object.keys(families).length + 2 * histograms);
});

test('promtool parses label values with every awkward character', () => {
  const awkward = ['"', '\\', '\n', '\r\n', '\0', '\x01\x7f\x80', '\ud800', '{a="b"} 1', '# TYPE x', '\u2028', ''];
  const registry = new Registry({ pages: 1 });
  for (const rt of awkward) registry.scope({ rt }).histogram('l5d:route_time_us');
  assert.deepEqual(checkMetrics(registry.expose()), []);
});

test('promtool parses what a process that just started exposes', () => {
  const registry = new Registry({ pages: 1 });
  const stop = measureProcess(registry);
  registry
    .scope({ rt: 'edge', dst: '/svc/a', endpoint: '10.0.0.1:80' })
    .gauges('l5d:balancer:endpoint:state', 'state', endpointStates);
  assert.deepEqual(checkMetrics(registry.expose()), []);
  stop();
});
