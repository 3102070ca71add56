/** Attempts to connect: which endpoint they go to, what they leave in its health, and in what order the books are kept. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { claimProbe, standing } from '../../src/balancer/health.ts';
import { showErrno } from '../../src/io/errno.ts';
import { type Cell, Cells } from '../../src/metrics/cells.ts';
import { Registry } from '../../src/metrics/registry.ts';
import type { WorkerContext } from '../../src/proxy/context.ts';
import {
  attemptAbandoned,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  connectionEnded,
} from '../../src/proxy/endpoint-accounting.ts';
import type { BranchSpec } from '../../src/proxy/messages.ts';
import { seededRandom } from '../balancer/seeded.ts';
import type { FakeSocket } from '../support/fake-driver.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { bound } from '../support/relay.ts';
import { branchSpec, defaultPolicy, routeSpec } from '../support/specs.ts';

const { EADDRNOTAVAIL, ECONNREFUSED, EMFILE } = constants.errno;
const ejectAtOnce = { maxConsecutiveFailures: 1, penaltyMs: 1_000, maxPenaltyMs: 1_000, jitter: 0 };

function decide({ driver }: FakeRelay, outcome: number): void {
  for (const attempt of driver.upstreams()) if (attempt.connecting) attempt.outcome = outcome;
  driver.settle();
}

const notices = ({ relay }: FakeRelay): readonly string[] =>
  relay.messages.flatMap(one => (one.type === 'notice' ? [`${one.level} ${one.text}`] : []));

test('while anything is still to be written of an endpoint, its load is not 0: it may be given away when it is', () => {
  const registry = new Registry({ pages: 2 });
  const endpoints = new EndpointTable(new SharedArrayBuffer(EndpointTable.bytesFor(4)));
  const later = 5_000;
  let writes = 0;
  const check = (): void => {
    writes++;
    assert.ok(endpoints.load(0) > 0, 'written after the load was given back');
  };
  class Watched extends Cells {
    override add(cell: Cell, by: number): void {
      check();
      super.add(cell, by);
    }
    override observe(cell: Cell, value: number): void {
      check();
      super.observe(cell, value);
    }
  }
  class WatchedTable extends EndpointTable {
    override addConnecting(slot: number, n: 1 | -1): void {
      if (n < 0) assert.equal(this.#probing(), false, 'the probe is given back first');
      super.addConnecting(slot, n);
      if (this.load(slot) === 0) zeros++;
    }
    #probing(): boolean {
      return mayNotProbe && standing(this, 0, later) === 'probing';
    }
  }
  let zeros = 0;
  let mayNotProbe = false;
  const table = new WatchedTable(endpoints.cells.buffer);
  const context = {
    driver: { now: () => 10 },
    endpoints: table,
    cells: new Watched(registry.pages[1]),
    random: () => 0,
    notice: check,
    shortage: check,
    endpointError: check,
  } as unknown as WorkerContext;
  const branch: BranchSpec = branchSpec(registry, new Map(), { ports: [1001] });
  const [endpoint] = branch.endpoints;
  const client = { ...defaultPolicy, failFast: ejectAtOnce };
  const route = { ...routeSpec(registry, { state: 'bound', branches: [branch] }, client), generation: 1 };

  attemptStarted(context, route, endpoint);
  attemptSucceeded(context, route, endpoint, 1);
  assert.deepEqual([table.open(0), table.connecting(0), zeros], [1, 0, 0]);
  connectionEnded(context, route, endpoint, 1);
  for (const errno of [EMFILE, ECONNREFUSED]) {
    attemptStarted(context, route, endpoint);
    attemptFailed(context, route, endpoint, 1, { errno, tls: '', probing: false });
  }
  mayNotProbe = true;
  assert.ok(claimProbe(table, 0, later));
  attemptStarted(context, route, endpoint);
  attemptAbandoned(context, endpoint, true);
  assert.equal(table.load(0), 0);
  assert.equal(zeros, 3);
  assert.ok(writes > 10);
});

test('a connection that meets an endpoint in its probe does not end the probe when its client leaves', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 0, failFast: ejectAtOnce } });
  const { relay, driver, client } = made;
  client();
  decide(made, ECONNREFUSED);
  driver.advance(1_100);
  client();
  assert.equal(standing(relay.endpoints, 0, driver.time), 'probing');
  client().reset();
  driver.settle();
  assert.equal(standing(relay.endpoints, 0, driver.time), 'probing');
  decide(made, 0);
  assert.equal(standing(relay.endpoints, 0, driver.time), 'available');
  made.finish();
});

test('a probe whose client leaves is released', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 0, failFast: ejectAtOnce } });
  const { relay, driver, client } = made;
  client();
  decide(made, ECONNREFUSED);
  driver.advance(1_100);
  client().reset();
  driver.settle();
  assert.equal(standing(relay.endpoints, 0, driver.time), 'due');
  made.finish();
});

test('an ejected endpoint is logged once, and once more when it has recovered, each time with its router', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 0, failFast: ejectAtOnce } });
  const { driver, client } = made;
  client();
  decide(made, ECONNREFUSED);
  client();
  decide(made, ECONNREFUSED);
  driver.advance(1_100);
  client();
  client();
  decide(made, 0);
  assert.deepEqual(
    notices(made).filter(text => !text.includes(': connection from ')),
    [
      `warn router test, /svc/test: endpoint 127.0.0.1:1001 is taken out of rotation: connection failed: ${showErrno(ECONNREFUSED)}`,
      'info router test, /svc/test: endpoint 127.0.0.1:1001 is back in rotation',
    ],
  );
  made.finish();
});

test('without branchFailover a retry stays in the branch that was drawn, also when the branches are published again', () => {
  for (let seed = 0; seed < 20; seed++) {
    const client = { maxRetries: 6, failFast: ejectAtOnce, branchFailover: false };
    const made = fakeRelay({ random: seededRandom(seed), client });
    const branches = [
      { id: '/#/a', ports: [1001, 1002] },
      { id: '/#/b', ports: [1003, 1004] },
    ];
    made.relay.publish({ state: 'bound', branches });
    made.client();
    const first = made.driver.upstreams()[0].address.port;
    for (let retry = 0; retry < 4; retry++) {
      decide(made, ECONNREFUSED);
      made.relay.publish({ state: 'bound', branches: retry % 2 ? branches : branches.toReversed() });
      made.driver.advance(100);
      const port = made.driver.upstreams()[0].address.port;
      assert.equal(port < 1003, first < 1003, `${first}, then ${port}`);
    }
    made.relay.publish(bound([1005]));
    decide(made, ECONNREFUSED);
    made.driver.advance(100);
    assert.equal(made.driver.upstreams()[0].address.port, 1005);
    made.finish();
  }
});

/** Lets attempts to these ports fail, and the others succeed. */
function decideByPort({ driver }: FakeRelay, dead: readonly number[]): void {
  for (const attempt of driver.upstreams())
    if (attempt.connecting) attempt.outcome = dead.includes(attempt.address.port) ? ECONNREFUSED : 0;
  driver.settle();
}

test('a failed connection is logged with its cause and endpoint, once in ten seconds with the number of the others', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 1 } });
  for (let second = 0; second < 12; second++) {
    made.client();
    decide(made, ECONNREFUSED);
    made.driver.advance(1);
    decide(made, ECONNREFUSED);
    made.driver.advance(999);
  }
  const failures = notices(made).filter(text => text.includes(': connection from '));
  assert.equal(
    failures[0],
    'warn router test, /svc/test: connection from 10.0.0.1:1 failed: connection to 127.0.0.1:1001 refused (CU, 1 retry)',
  );
  assert.match(failures[1] ?? '', /\(9 more since the last line\)$/);
  assert.equal(failures.length, 2);
  made.finish();
});

test('a client that leaves, and a limit that does its work, are not logged as failures', () => {
  const made = fakeRelay({ upstreams: [1001], listener: { idleTimeoutMs: 100 } });
  made.client().reset();
  made.driver.settle();
  made.client();
  decide(made, 0);
  made.driver.advance(200);
  made.finish();
  assert.deepEqual(notices(made), []);
});

test('the control plane receives the last error of an endpoint, once a second', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 0 } });
  for (let n = 0; n < 30; n++) {
    made.client();
    decide(made, ECONNREFUSED);
    made.driver.advance(100);
  }
  const errors = made.relay.messages.filter(one => one.type === 'endpointError');
  assert.ok(errors.length >= 2 && errors.length <= 4, String(errors.length));
  assert.deepEqual([errors[0]?.route, errors[0]?.slot, errors[0]?.reason], [1, 0, showErrno(ECONNREFUSED)]);
  made.finish();
});

test('a branch keeps its share while it has an endpoint that may be tried: a retry stays in it', () => {
  for (let seed = 0; seed < 20; seed++) {
    const made = fakeRelay({ random: seededRandom(seed) });
    const branches = [
      { id: '/#/a', ports: [1001, 1002] },
      { id: '/#/b', ports: [1003, 1004] },
    ];
    made.relay.publish({ state: 'bound', branches });
    made.client();
    const isA = (): boolean => (made.driver.upstreams()[0]?.address.port ?? 0) < 1003;
    const first = isA();
    decide(made, ECONNREFUSED);
    made.driver.advance(100);
    assert.equal(isA(), first, 'the other endpoint of the branch');
    decide(made, ECONNREFUSED);
    made.driver.advance(100);
    assert.equal(isA(), !first, 'both were tried');
    assert.equal(made.relay.metric('l5d:balancer:connection:failovers'), 1);
    made.finish();
  }
});

test('a union whose branch is down serves every connection, before the ejection and after it, counts it and says so', () => {
  const made = fakeRelay({ random: seededRandom(5) });
  const branches = [
    { id: '/#/up', ports: [1001], weight: 1 },
    { id: '/#/down', ports: [1002], weight: 1 },
  ];
  made.relay.publish({ state: 'bound', branches });
  const connections = 60;
  for (let n = 0; n < connections; n++) {
    const client = made.client();
    for (let step = 0; step < 4; step++) {
      decideByPort(made, [1002]);
      made.driver.advance(30);
    }
    client.send(1);
    made.driver.settle();
    assert.equal(made.driver.sockets.find(one => one.source === client)?.address.port, 1001, `connection ${n}`);
  }
  const failovers = made.relay.metric('l5d:balancer:connection:failovers');
  assert.ok(failovers > connections / 4 && failovers < (connections * 3) / 4, `${failovers} failovers`);
  assert.equal(made.relay.metric('l5d:balancer:endpoint:failures'), 5, 'once it is ejected nobody tries it');
  assert.equal(notices(made).filter(text => text.includes('no endpoint of /#/down can be used')).length, 1);
  made.finish();
});

test('a branch that is empty keeps its share, and no connection fails over to it', () => {
  const made = fakeRelay({ random: seededRandom(5), client: { maxRetries: 2 } });
  const branches = [
    { id: '/#/down', ports: [1002] },
    { id: '/#/empty', ports: [] },
  ];
  made.relay.publish({ state: 'bound', branches });
  for (let n = 0; n < 40; n++) {
    made.client();
    for (let step = 0; step < 4; step++) {
      decideByPort(made, [1002]);
      made.driver.advance(30);
    }
  }
  made.finish();
  const codes = made.relay.records.map(({ end }) => end);
  const empty = codes.filter(code => code === 'NN').length;
  assert.ok(empty > 8 && empty < 32, `${empty} of 40`);
  assert.equal(codes.filter(code => code === 'CU').length, 40 - empty);
});

test('with one endpoint the retries continue until the wait is over, so that they span a restart', () => {
  const made = fakeRelay({
    upstreams: [1001],
    listener: { connectTimeoutMs: 10_000 },
    client: { maxRetries: Number.POSITIVE_INFINITY, retryBackoffMs: { min: 50, max: 1_000 } },
    random: seededRandom(1),
  });
  const client = made.client();
  let attempts = 0;
  const fail = (): void => {
    attempts += made.driver.upstreams().filter(one => one.connecting).length;
    decide(made, ECONNREFUSED);
  };
  for (let ms = 0; ms < 4_000; ms += 10) {
    fail();
    made.driver.advance(10);
  }
  assert.ok(attempts > 5 && attempts < 20, `${attempts} attempts in 4 s`);
  made.driver.advance(1_000);
  decide(made, 0);
  client.send(7);
  made.driver.settle();
  assert.equal(made.driver.upstreams()[0]?.written, 7);
  made.finish();
});

for (const balancer of ['p2c', 'ewma', 'roundRobin'] as const) {
  for (const how of ['finish', 'reset'] as const) {
    test(`${balancer}: an endpoint that accepts and closes (${how}) draws few connections, and is back with its first byte`, () => {
      const made = fakeRelay({
        upstreams: [1001, 1002, 1003],
        client: {
          balancer,
          failFast: { maxConsecutiveFailures: 5, penaltyMs: 10_000, maxPenaltyMs: 10_000, jitter: 0 },
        },
        random: seededRandom(3),
      });
      let isBroken = true;
      const drawn = (): number => {
        made.client();
        decide(made, 0);
        const upstream = made.driver.upstreams().at(-1) as FakeSocket;
        made.driver.advance(2);
        if (isBroken && upstream.address.port === 1002) upstream[how]();
        else upstream.send(5);
        made.driver.settle();
        return upstream.address.port;
      };
      const drawnOf = (n: number): number => Array.from({ length: n }, drawn).filter(port => port === 1002).length;
      assert.ok(drawnOf(100) <= 5);
      made.driver.advance(10_000);
      assert.ok(drawnOf(50) <= 1, 'one probe');
      isBroken = false;
      made.driver.advance(10_000);
      assert.ok(drawnOf(100) > 10);
      made.finish();
      assert.equal(notices(made).filter(text => text.includes('closes connections without an answer')).length, 2);
      assert.equal(notices(made).filter(text => text.includes('is back in rotation')).length, 1);
    });
  }
}

test('a client that leaves before an answer says nothing about the endpoint, nor does a quiet connection that is old', () => {
  const made = fakeRelay({ upstreams: [1001], client: { failFast: ejectAtOnce } });
  const client = made.client();
  decide(made, 0);
  client.finish();
  made.driver.settle();
  made.driver.upstreams()[0]?.finish();
  made.driver.settle();
  made.client();
  decide(made, 0);
  made.driver.advance(1_500);
  made.driver.upstreams()[0]?.finish();
  made.driver.settle();
  assert.equal(made.relay.metric('l5d:balancer:endpoint:ejections'), 0);
  made.finish();
});

test('an address that is not available concerns one destination: other listeners continue, and the endpoint is ejected', () => {
  const made = fakeRelay({ upstreams: [1001], client: { maxRetries: 0, failFast: ejectAtOnce } });
  made.client();
  decide(made, EADDRNOTAVAIL);
  assert.equal(made.driver.listeners[0]?.accepting, true);
  assert.equal(made.relay.metric('l5d:balancer:endpoint:ejections'), 1);
  made.finish();
  assert.match(made.relay.records[0]?.reason ?? '', /EADDRNOTAVAIL/);
});

test('round robin continues where it was when the same endpoints are published again', () => {
  const ports = [1001, 1002, 1003, 1004];
  for (const weight of [0.5, 1]) {
    const made = fakeRelay({ client: { balancer: 'roundRobin' }, random: seededRandom(3) });
    const turns: number[] = [];
    for (let turn = 0; turn < 12; turn++) {
      made.relay.publish({ state: 'bound', branches: [{ ports, weight: turn % 2 ? weight : 1 }] });
      made.client();
      turns.push(made.driver.upstreams().at(-1)?.address.port ?? 0);
      decide(made, 0);
    }
    for (let turn = 4; turn < 12; turn++) assert.equal(turns[turn], turns[turn - 4], String(turns));
    assert.equal(new Set(turns).size, 4);
    made.finish();
  }
});

test('another kind of balancer takes effect with the next publication', () => {
  const ports = [1001, 1002, 1003];
  const made = fakeRelay({ upstreams: ports, random: seededRandom(3) });
  made.relay.adjust({}, { balancer: 'roundRobin' });
  const turns: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    made.client().reset();
    turns.push(made.driver.upstreams().at(-1)?.address.port ?? 0);
    made.driver.settle();
  }
  assert.deepEqual(turns.slice(3), turns.slice(0, 3));
  assert.equal(new Set(turns).size, 3);
  made.finish();
});
