/** How a router connects to its backends, by destination. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientConfig, clientFor } from '../../src/settings/linkerd-tcp/client-config.ts';

const defaults = {
  connectTimeoutMs: 3000,
  maxWaiters: 1_000_000,
  minConnections: 0,
  failFast: { maxConsecutiveFailures: 5, failurePenaltySecs: 60, maxPenaltySecs: 300 },
  loadBalancer: { kind: 'p2c' },
  branchFailover: true,
  retryBackoffMs: { min: 50, max: 1000 },
};

const clientOf = (config: unknown, path: string) =>
  clientFor(clientConfig.parse(config), path.split('/').filter(Boolean));

test('keys of Linkerd 1.x that change nothing here are accepted', () => {
  for (const kind of ['p2c', 'ewma', 'roundRobin'])
    assert.ok(clientConfig.safeParse({ loadBalancer: { kind, enableProbation: true, maxEffort: 5 } }).success);
});

test('without keys every destination has the defaults', () => {
  assert.deepEqual(clientOf({}, '/svc/a'), defaults);
  assert.deepEqual(clientOf({ kind: 'io.l5d.static', configs: [] }, '/svc/a'), defaults);
});

test('keys without a kind are those of io.l5d.global', () => {
  assert.deepEqual(clientOf({ maxWaiters: 3 }, '/svc/a'), { ...defaults, maxWaiters: 3 });
});

test('of static entries all that match apply, later ones win key by key, and every key counts', () => {
  const config = {
    kind: 'io.l5d.static',
    configs: [
      { prefix: '/', connectTimeoutMs: 1, maxWaiters: 1, maxRetries: 1 },
      { prefix: '/svc/b', maxWaiters: 2, minConnections: 2, failFast: { maxConsecutiveFailures: 2 } },
      { prefix: '/svc', connectTimeoutMs: 3, loadBalancer: { kind: 'ewma' } },
      { prefix: '/svc/b/c', connectTimeoutMs: 4 },
    ],
  };
  assert.deepEqual(clientOf(config, '/svc/b'), {
    ...defaults,
    connectTimeoutMs: 3,
    maxWaiters: 2,
    maxRetries: 1,
    minConnections: 2,
    failFast: { maxConsecutiveFailures: 2, failurePenaltySecs: 60, maxPenaltySecs: 300 },
    loadBalancer: { kind: 'ewma', decayTimeMs: 10_000 },
  });
  assert.deepEqual(clientOf(config, '/svcx'), { ...defaults, connectTimeoutMs: 1, maxWaiters: 1, maxRetries: 1 });
});

test('a default never contradicts what is configured', () => {
  assert.equal(clientOf({ failFast: { failurePenaltySecs: 900 } }, '/svc/a').failFast.maxPenaltySecs, 900);
  assert.deepEqual(clientOf({ retryBackoffMs: { min: 5000 } }, '/svc/a').retryBackoffMs, { min: 5000, max: 5000 });
});
