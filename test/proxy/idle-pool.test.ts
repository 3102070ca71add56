/** Idle upstream connections (minConnections) on a driver without sockets or time. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { standing } from '../../src/balancer/health.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { bound } from '../support/relay.ts';

const port = 1001;

function connectAll({ driver }: FakeRelay): void {
  for (const attempt of driver.upstreams()) attempt.outcome ??= 0;
  driver.settle();
}

/** A relay with its idle connections. */
function ready(minConnections: number, ports: readonly number[] = [port]): FakeRelay {
  const made = fakeRelay({ upstreams: ports, client: { minConnections } });
  connectAll(made);
  return made;
}

test('idle connections are made when the name is known, not before', () => {
  const { relay, driver, finish } = fakeRelay({ client: { minConnections: 3 } });
  driver.advance(5_000);
  assert.equal(driver.sockets.length, 0);
  relay.publish(bound([port]));
  assert.equal(driver.upstreams().length, 3);
  finish();
});

test('a client gets an idle connection at once, and another is made in its place', () => {
  const made = ready(2);
  const [oldest] = made.driver.upstreams();
  const client = made.client();
  client.send(10);
  made.driver.settle();
  assert.equal(oldest.source, client);
  assert.equal(oldest.written, 10);
  assert.equal(made.driver.upstreams().length, 3);
  oldest.send(20);
  made.driver.settle();
  assert.equal(client.written, 20);
  made.finish();
  assert.equal(made.relay.records[0]?.connectMs, 0);
});

test('an idle connection that is still being made is not waited for', () => {
  const made = fakeRelay({ upstreams: [port], client: { minConnections: 1 } });
  made.client();
  assert.equal(made.driver.upstreams().length, 2);
  made.finish();
});

for (const [how, leave] of [
  ['closed', 'finish'],
  ['reset', 'reset'],
] as const) {
  test(`a idle the upstream has ${how} is never handed out`, () => {
    const made = ready(2);
    const [dead, alive] = made.driver.upstreams();
    dead[leave]();
    made.driver.settle();
    assert.equal(dead.released, 'close');
    const client = made.client();
    client.send(1);
    made.driver.settle();
    assert.equal(alive.written, 1);
    made.finish();
  });
}

test('an early greeting is kept, and comes first', () => {
  const made = ready(1);
  const [idle] = made.driver.upstreams();
  idle.send(100);
  made.driver.settle();
  assert.equal(idle.delivered, 100, 'two chunks are kept');
  const client = made.client();
  assert.equal(client.written, 100);
  idle.send(30);
  made.driver.settle();
  assert.equal(client.written, 130);
  assert.equal(client.source, idle);
  made.finish();
  assert.equal(made.relay.records[0]?.tx, 130);
});

test('an upstream that greets and then closes is detected too', () => {
  const made = ready(1);
  const [idle] = made.driver.upstreams();
  idle.send(60);
  idle.finish();
  made.driver.settle();
  assert.equal(idle.released, 'close');
  assert.equal(made.driver.ledger().buffers, 0);
  const client = made.client();
  assert.equal(client.written, 0);
  made.finish();
});

test('an upstream that talks on and on before there is a client is not read without end', () => {
  const made = ready(1);
  const [idle] = made.driver.upstreams();
  idle.send(1_000_000);
  made.driver.settle();
  assert.equal(made.driver.ledger().buffers, 4);
  const client = made.client();
  assert.equal(client.written, 1_000_000);
  made.finish();
});

test('an idle connection is replaced when it is older than a minute, not before', () => {
  const made = ready(1);
  const [idle] = made.driver.upstreams();
  made.driver.advance(59_000);
  assert.equal(idle.released, undefined);
  made.driver.advance(3_000);
  assert.equal(idle.released, 'close');
  assert.equal(made.driver.upstreams().length, 1);
  made.finish();
});

test('idle connections go when their endpoint leaves the route, the others stay', () => {
  const made = ready(8, [1001, 1002]);
  const before = made.driver.upstreams(1002);
  assert.ok(before.length > 0 && made.driver.upstreams(1001).length > 0);
  made.relay.publish(bound([1002]));
  assert.equal(made.driver.upstreams(1001).length, 0);
  assert.ok(before.every(idle => idle.released === undefined));
  assert.equal(made.driver.upstreams(1002).length, 8);
  made.relay.publish({ state: 'negative', reason: 'gone' });
  assert.equal(made.driver.upstreams().length, 0);
  made.finish();
});

test('an upstream that refuses is tried once a second, no more', () => {
  const made = fakeRelay({ upstreams: [port], client: { minConnections: 1 } });
  const { driver, relay } = made;
  for (let ms = 0; ms < 10_000; ms += 10) {
    for (const attempt of driver.upstreams()) attempt.outcome = constants.errno.ECONNREFUSED;
    driver.settle();
    driver.advance(10);
  }
  assert.ok(driver.sockets.length >= 9 && driver.sockets.length <= 11, `${driver.sockets.length} attempts in 10 s`);
  assert.ok(relay.metric('l5d:balancer:connection:failure', 'refused') >= 9);
  made.finish();
});

test('an idle connection that is not connected within connectTimeoutMs is given up, and tried again', () => {
  const made = fakeRelay({ upstreams: [port], client: { minConnections: 1, connectTimeoutMs: 2_000 } });
  const [first] = made.driver.upstreams();
  made.driver.advance(1_500);
  assert.equal(first.released, undefined);
  made.driver.advance(1_500);
  assert.equal(first.released, 'close');
  assert.equal(made.driver.upstreams().length, 1);
  assert.equal(made.relay.metric('l5d:balancer:connection:failure', 'timeout'), 1);
  made.finish();
});

test('minConnections is split among the workers: the first have one more when it does not divide', () => {
  for (const [minConnections, workers, share] of [
    [5, 2, 3],
    [4, 2, 2],
    [1, 4, 1],
    [0, 4, 0],
  ]) {
    const made = fakeRelay({ upstreams: [port], client: { minConnections }, workers });
    assert.equal(made.driver.upstreams().length, share);
    made.finish();
  }
});

test('a drain closes the idle connections and makes no more, whatever is published', () => {
  const made = ready(3);
  made.client();
  made.relay.worker.tell({ type: 'drain', graceMs: 1_500 });
  assert.equal(made.driver.upstreams().length, 1, 'the session goes on');
  made.relay.publish(bound([port, 1002]));
  made.driver.advance(5_000);
  made.relay.publish(bound([port]));
  made.driver.settle();
  made.driver.advance(5_000);
  made.finish();
});

test('a reload to fewer idle connections closes the ones too many', () => {
  const made = ready(5);
  made.relay.adjust({}, { minConnections: 2 });
  assert.equal(made.driver.upstreams().length, 2);
  made.relay.adjust({}, { minConnections: 0 });
  assert.equal(made.driver.upstreams().length, 0);
  made.finish();
});

test('idle connections of an endpoint whose weight becomes 0 are closed, and go to the others', () => {
  const made = ready(8, [1001, 1002]);
  made.relay.publish({ state: 'bound', branches: [{ ports: [1001, 1002], weights: [0, 1] }] });
  assert.equal(made.driver.upstreams(1001).length, 0);
  assert.equal(made.driver.upstreams(1002).length, 8);
  made.finish();
});

test('idle connections of a branch whose weight becomes 0 are closed, and go to the others', () => {
  const made = fakeRelay({ client: { minConnections: 8 } });
  const branches = (a: number, b: number) => [
    { id: '/#/a', weight: a, ports: [1001] },
    { id: '/#/b', weight: b, ports: [1002] },
  ];
  made.relay.publish({ state: 'bound', branches: branches(0.5, 0.5) });
  connectAll(made);
  made.relay.publish({ state: 'bound', branches: branches(0, 1) });
  assert.equal(made.driver.upstreams(1001).length, 0);
  assert.equal(made.driver.upstreams(1002).length, 8);
  made.finish();
});

test('idle connections beyond the share of a new weight are closed, the rest stay', () => {
  const made = ready(10, [1001, 1002]);
  const before = made.driver.upstreams(1001);
  made.relay.publish({ state: 'bound', branches: [{ ports: [1001, 1002], weights: [1, 9] }] });
  assert.equal(before.filter(idle => idle.released === undefined).length, 1);
  assert.equal(made.driver.upstreams().length, 10);
  made.finish();
});

test('a publication that changes nothing closes no idle connection', () => {
  const made = ready(10, [1001, 1002, 1003]);
  const before = made.driver.upstreams();
  made.relay.publish(bound([1001, 1002, 1003]));
  assert.deepEqual(made.driver.upstreams(), before);
  made.finish();
});

test('an idle connection that finds no descriptor gives the probe back that it was to be', () => {
  const made = fakeRelay({
    upstreams: [port],
    client: {
      minConnections: 1,
      failFast: { maxConsecutiveFailures: 1, penaltyMs: 500, maxPenaltyMs: 500, jitter: 0 },
    },
  });
  const { driver, relay } = made;
  for (const attempt of driver.upstreams()) attempt.outcome = constants.errno.ECONNREFUSED;
  driver.settle();
  driver.isFull = true;
  driver.advance(3_000);
  assert.equal(standing(relay.endpoints, 0, driver.time), 'due');
  driver.isFull = false;
  driver.advance(1_000);
  connectAll(made);
  assert.equal(standing(relay.endpoints, 0, driver.time), 'available');
  made.finish();
});

test('an upstream that closes idle connections is asked for another ever more rarely, which is counted and logged', () => {
  const made = fakeRelay({ upstreams: [1001], client: { minConnections: 1 } });
  const opened = (): number => made.driver.sockets.filter(one => one.isOutgoing).length;
  const aFewMinutes = 300;
  for (let second = 0; second < aFewMinutes; second++) {
    for (const attempt of made.driver.upstreams()) {
      if (attempt.connecting) attempt.outcome = 0;
      made.driver.settle();
      attempt.send(10);
      made.driver.settle();
      attempt.finish();
    }
    made.driver.settle();
    made.driver.advance(1_000);
  }
  assert.ok(opened() >= 6 && opened() < 15, `${opened()} in ${aFewMinutes} s`);
  assert.ok(made.relay.metric('l5d:balancer:idle:lost') >= opened() - 1);
  const warnings = made.relay.messages.filter(
    one => one.type === 'notice' && one.text.includes('set minConnections to 0'),
  );
  assert.ok(warnings.length > 0 && warnings.length <= opened());
  made.finish();
});
