/**
 * The session state machine under every order of events a driver may bring: clients, upstreams, TLS with either, clock,
 * publications, reloads and a drain, chosen at random. After each step the books must balance; at the end nothing may be left.
 */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { ends } from '../../src/proxy/end-codes.ts';
import type { ConnectionRecord } from '../../src/proxy/record.ts';
import { seededRandom } from '../balancer/seeded.ts';
import { helloMessage, recordsOf } from '../support/client-hello.ts';
import type { FakeDriver, FakeListener, FakeSocket } from '../support/fake-driver.ts';
import { type FakeRelay, fakeRelay } from '../support/fake-relay.ts';
import { closeNotify, fakeContext } from '../support/fake-tls.ts';
import { bound, type Publication, type Relay } from '../support/relay.ts';
import { sized } from '../support/size.ts';
import { serverTls } from '../support/specs.ts';

const { ECONNREFUSED, EMFILE } = constants.errno;
const ports = [1001, 1002, 1003];
const listenerId = 2;
const bufferSizeBytes = 100;
const chunkBytes = 50;
const connectTimeoutMs = 100;
const settings = {
  bufferSizeBytes,
  connectTimeoutMs,
  idleTimeoutMs: 400,
  finTimeoutMs: 150,
  lifetimeMs: 500,
  lifetimeJitter: 0.2,
};

const verbs = [
  'accept',
  'acceptLate',
  'clientSends',
  'clientFinishes',
  'clientResets',
  'upstreamSends',
  'upstreamFinishes',
  'upstreamResets',
  'connects',
  'connectFails',
  'secures',
  'breaks',
  'stalls',
  'flows',
  'takes',
  'passes',
  'publishes',
  'answers',
  'forgets',
  'reloads',
  'drains',
  'next',
] as const;
type Verb = (typeof verbs)[number];
const weights: Partial<Record<Verb, number>> = {
  accept: 4,
  connects: 6,
  secures: 10,
  next: 24,
  clientSends: 4,
  upstreamSends: 4,
  takes: 3,
  passes: 3,
  publishes: 2,
  answers: 3,
  forgets: 0.5,
  drains: 0.2,
};

interface Step {
  readonly verb: Verb;
  readonly which: number;
  readonly amount: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.oneof(...verbs.map(verb => ({ weight: Math.ceil((weights[verb] ?? 1) * 5), arbitrary: fc.constant(verb) }))),
  which: fc.nat({ max: 1000 }),
  amount: fc.nat({ max: 130 }),
});

interface World {
  readonly seed: number;
  readonly minConnections: number;
  readonly maxConcurrency: number;
  readonly maxWaiters: number;
  readonly maxRetries: number;
  readonly canSplice: boolean;
  /** Clients name the server they want; `withDefault`: a default route takes those that do not. */
  readonly sni: boolean;
  readonly withDefault: boolean;
  /** The sides that speak TLS with the proxy, and when its engine reports events. */
  readonly clientTls: boolean;
  readonly upstreamTls: boolean;
  readonly tlsFromLoop: boolean;
  readonly steps: readonly Step[];
}

const world: fc.Arbitrary<World> = fc.record({
  seed: fc.nat(),
  minConnections: fc.constantFrom(0, 0, 0, 1, 2),
  maxConcurrency: fc.integer({ min: 1, max: 8 }),
  maxWaiters: fc.integer({ min: 0, max: 8 }),
  maxRetries: fc.integer({ min: 0, max: 4 }),
  canSplice: fc.boolean(),
  sni: fc.boolean(),
  withDefault: fc.boolean(),
  clientTls: fc.boolean(),
  upstreamTls: fc.boolean(),
  tlsFromLoop: fc.boolean(),
  steps: fc.array(step, { minLength: 50, maxLength: 250, size: 'max' }),
});

/** The server names clients ask for on a listener that routes by them, and their routes. Undefined: no server. */
const serverNames = ['a.test', 'b.test', 'c.test', undefined];
const firstNamedRoute = 100;
const helloSpec = { timeoutMs: 60, mostBytes: 400 };
const helloBytes = 300;
const identity = 1;
const identitiesOf = (which: number) => ({ exact: { 'a.test': identity }, fallback: which % 4 > 0 ? identity : null });
const toEndpoints = { context: 2, serverName: 'endpoint.test' };
/** Flights of a handshake, an alert and close_notify. */
const tlsBytes = 30;

const publications: readonly Publication[] = [
  { state: 'pending' },
  { state: 'pending', reason: 'cannot be resolved just now' },
  { state: 'negative', reason: 'does not resolve' },
  { state: 'bound', branches: [] },
  bound([]),
  bound([1001]),
  bound([1001, 1002, 1003]),
  bound([1002, 1003]),
  {
    state: 'bound',
    branches: [
      { ports: [1001], weight: 0.5 },
      { ports: [1003, 1002], weight: 0.5 },
    ],
  },
];

class Run {
  readonly #world: World;
  readonly #relay: Relay;
  readonly #made: FakeRelay;
  readonly #driver: FakeDriver;
  readonly #clients: FakeSocket[] = [];
  #isDraining = false;
  /** How many of the names asked for have been answered. */
  #answered = 0;

  constructor(one: World) {
    this.#world = one;
    const { minConnections, maxConcurrency, maxWaiters, maxRetries } = one;
    const made = fakeRelay({
      upstreams: ports,
      listener: {
        ...settings,
        maxConcurrency,
        ...((one.sni || one.clientTls) && { hello: helloSpec }),
        ...(one.sni && { nameFrom: 'sni' as const, ...(!one.withDefault && { route: null }) }),
      },
      ...(one.clientTls && { identities: identitiesOf(one.seed) }),
      tlsFromLoop: one.tlsFromLoop,
      client: {
        tls: one.upstreamTls ? toEndpoints : null,
        minConnections,
        maxWaiters,
        maxRetries,
        connectTimeoutMs: 40,
        retryBackoffMs: { min: 5, max: 40 },
        failFast: { maxConsecutiveFailures: 2, penaltyMs: 100, maxPenaltyMs: 400, jitter: 0.5 },
      },
      random: seededRandom(one.seed),
      chunkBytes,
      bulk: { chunkBytes: 30, chunks: 2 },
    });
    made.driver.canSplice = one.canSplice;
    this.#made = made;
    this.#relay = made.relay;
    this.#driver = made.driver;
    this.#defineContexts();
  }

  play(): void {
    for (const one of this.#world.steps) {
      this.#act(one);
      this.#checkBooks();
    }
    this.#finish();
    this.#checkRecords();
  }

  #act({ verb, which, amount }: Step): void {
    const driver = this.#driver;
    const [listener] = driver.listeners;
    const open = (sockets: readonly FakeSocket[]): FakeSocket | undefined => {
      const able = sockets.filter(socket => socket.isOpen);
      return able[which % able.length];
    };
    const client = open(this.#clients);
    const upstream = open(driver.upstreams());
    const connecting = driver.upstreams().filter(one => one.connecting && one.outcome === undefined);
    const attempt = connecting[which % connecting.length];
    const { live, undecided } = this.#made.tls;
    switch (verb) {
      case 'accept':
        if (listener.accepting && !listener.released) this.#accept(listener, which);
        break;
      case 'acceptLate':
        // Under way when the gate was shut, or by another route around it.
        if (!listener.released && which % 3 === 0) this.#accept(listener, which);
        break;
      case 'answers':
        this.#answer(which);
        break;
      case 'forgets':
        this.#relay.worker.tell({ type: 'unnamed', listener: listenerId, name: serverNames[which % 3] as string });
        break;
      case 'clientSends':
        client?.send(amount);
        break;
      case 'clientFinishes':
        if (client) this.#finishes(client, which);
        break;
      case 'clientResets':
        client?.reset();
        break;
      case 'upstreamSends':
        upstream?.send(amount);
        break;
      case 'upstreamFinishes':
        if (upstream) this.#finishes(upstream, which);
        break;
      case 'upstreamResets':
        upstream?.reset();
        break;
      case 'connects':
        if (attempt) attempt.outcome = 0;
        break;
      case 'connectFails':
        if (attempt) attempt.outcome = amount % 5 === 0 ? EMFILE : ECONNREFUSED;
        break;
      case 'secures': {
        const stream = undecided[which % undecided.length];
        if (amount % 6 > 0) stream?.agree();
        else stream?.fail('alert', 'handshake failure');
        break;
      }
      case 'breaks': {
        const stream = [...live][which % live.size];
        if (amount % 3 === 0) stream?.fail('other', 'bad record mac');
        break;
      }
      case 'stalls': {
        const socket = which % 2 ? client : upstream;
        if (socket) socket.room = 0;
        break;
      }
      case 'flows': {
        const socket = which % 2 ? client : upstream;
        if (socket) socket.room = Number.POSITIVE_INFINITY;
        socket?.take(Number.POSITIVE_INFINITY);
        break;
      }
      case 'takes':
        (which % 2 ? client : upstream)?.take(amount);
        break;
      case 'passes':
        driver.advance(which % 10 === 0 ? amount * 10 : amount / 4);
        break;
      case 'publishes':
        this.#relay.publish(publications[which % publications.length]);
        break;
      case 'reloads':
        if (!this.#isDraining) this.#reload(which, amount);
        break;
      case 'drains':
        if (!this.#isDraining) this.#relay.worker.tell({ type: 'drain', graceMs: amount });
        this.#isDraining = true;
        break;
      case 'next': {
        const ready = driver.ready();
        ready[which % ready.length]?.();
        break;
      }
    }
  }

  #defineContexts(): void {
    const { worker } = this.#relay;
    worker.tell({ type: 'tls', id: identity, context: fakeContext('server') });
    worker.tell({ type: 'tls', id: toEndpoints.context, context: fakeContext('client') });
  }

  /** Numbers always; TLS comes, goes or changes only where there was some at first. */
  #reload(which: number, amount: number): void {
    const { worker, registry } = this.#relay;
    const { clientTls, upstreamTls } = this.#world;
    this.#defineContexts();
    const identities = which % 5 ? serverTls(registry, identitiesOf(amount)) : null;
    this.#relay.adjust(
      { maxConcurrency: 1 + (which % 8), ...(clientTls && { tls: identities }) },
      { maxWaiters: amount % 9, ...(upstreamTls && { tls: which % 3 ? toEndpoints : null }) },
    );
    if (which % 7 === 0) worker.tell({ type: 'untls', id: identity });
    if (which % 7 === 1) worker.tell({ type: 'untls', id: toEndpoints.context });
  }

  /** With close_notify, without, or with nothing but that. */
  #finishes(socket: FakeSocket, which: number): void {
    if (this.#made.tls.find(socket) && which % 3 > 0) socket.notify();
    if (socket.notifyAt < 0 || which % 3 > 1) socket.finish();
  }

  #accept(listener: FakeListener, which: number): void {
    const client = this.#driver.accept(listener);
    this.#clients.push(client);
    if ((!this.#world.sni && !this.#world.clientTls) || which % 7 === 0) return;
    const serverName = serverNames[which % serverNames.length];
    const own = Uint8Array.of(this.#clients.length >> 8, this.#clients.length & 0xff);
    const message = helloMessage({ others: [[4000, own]], ...(serverName !== undefined && { serverName }) });
    client.hello = new Uint8Array(recordsOf(message, [60]));
    // Some stop in the middle.
    client.send(which % 5 === 0 ? 70 : client.hello.length);
  }

  /** The control plane finds out where the name that was asked for first leads, or refuses it. */
  #answer(which: number): void {
    const asked = this.#relay.messages.flatMap(message => (message.type === 'asked' ? [message.name] : []));
    const name = asked[this.#answered];
    if (name === undefined) return;
    this.#answered++;
    const route = which % 6 === 0 ? null : firstNamedRoute + serverNames.indexOf(name);
    if (route !== null) this.#relay.publishRoute(route, publications[which % publications.length]);
    this.#relay.worker.tell({ type: 'named', listener: listenerId, name, route });
  }

  #checkBooks(): void {
    const relay = this.#relay;
    assert.deepEqual(this.#made.checked.violations, []);
    assert.deepEqual(this.#notices(), []);
    assert.ok(relay.waiters >= 0 && relay.active >= 0 && relay.waiters <= relay.active);
    assert.ok(relay.queued >= 0 && relay.queued <= relay.waiters);
    for (const slot of ports.keys()) {
      assert.ok(relay.endpoints.open(slot) >= 0 && relay.endpoints.connecting(slot) >= 0);
    }
    const { buffers } = this.#driver.ledger();
    const spares = relay.worker.load - relay.active;
    // While it is not known where a session goes it waits for no route.
    const { tls } = this.#made;
    const greets = this.#world.sni || this.#world.clientTls;
    const waiting = greets ? relay.active : relay.waiters;
    assert.ok(buffers <= waiting + 4 * spares + tls.held, `${buffers} chunks held for ${waiting} waiting sessions`);
    for (const socket of this.#driver.sockets) {
      const early = socket.isOutgoing ? 0 : 4 * chunkBytes * this.#world.minConnections;
      const held = greets ? helloBytes : chunkBytes;
      const ofTls = tls.find(socket) ? tlsBytes : 0;
      assert.ok(socket.pending <= bufferSizeBytes + held + early + ofTls, `${socket.pending} bytes wait`);
      // A truncated stream is never reported as complete.
      if (socket.released === 'close' && !this.#isBroken(socket)) assert.equal(this.#unsent(socket), 0);
    }
  }

  /** It was lost, and got no more than it had. */
  #isBroken(socket: FakeSocket): boolean {
    const stream = this.#made.tls.find(socket);
    return socket.hasFailed || (stream !== undefined && (stream.isBroken || !stream.isSecured));
  }

  /** Bytes that were written to it, and not sent when it was let go: close_notify may be among them, of which more is not asked. */
  #unsent(socket: FakeSocket): number {
    const stream = this.#made.tls.find(socket);
    if (!stream) return socket.pendingWhenReleased;
    const bytes = socket.pendingWhenReleased + stream.pendingWhenDestroyed;
    return socket.released === 'close' ? Math.max(0, bytes - closeNotify.length) : bytes;
  }

  /** All bytes it sent were delivered. */
  #hasEnded(socket: FakeSocket): boolean {
    const stream = this.#made.tls.find(socket);
    if (!stream) return socket.peerFinished === 'delivered' && socket.delivered === socket.sent;
    return stream.isFinished && stream.told === socket.payload;
  }

  #finish(): void {
    if (!this.#isDraining) this.#relay.worker.tell({ type: 'drain', graceMs: 50 });
    this.#driver.settle();
    this.#driver.advance(2_000);
    this.#driver.settle();
    this.#checkBooks();
    this.#made.finish();
    assert.equal(this.#relay.metric('l5d:srv:active'), 0);
    assert.equal(this.#relay.metric('l5d:srv:waiters'), 0);
  }

  #checkRecords(): void {
    const relay = this.#relay;
    const { records } = relay;
    assert.equal(relay.metric('l5d:srv:accepts'), records.length);
    assert.equal(relay.metric('l5d:srv:closes') + relay.metric('l5d:srv:failures'), records.length);
    assert.equal(new Set(records.map(record => record.client)).size, records.length, 'one record for each client');
    for (const record of records) {
      assert.ok(record.end in ends && record.end !== 'II', record.end);
      assert.equal(record.reason === null, record.end === '--');
      assert.ok(record.retries <= this.#world.maxRetries);
      const client = this.#clients.find(one => one.name === record.client) as FakeSocket;
      this.#checkBytes(record, client);
      const waited = record.connectMs < 0 ? record.totalMs : record.bindMs + record.connectMs;
      // An alert may take a while to be sent.
      const isRefused = /^.P$/.test(record.end) || (record.end === 'NN' && this.#world.sni);
      if (!isRefused) assert.ok(waited <= connectTimeoutMs + 0.01, `${record.end} after waiting ${waited} ms`);
      if (record.connectMs < 0) assert.ok(/^[GHNC]/.test(record.end), record.end);
      else assert.ok(/^[RF-]/.test(record.end), record.end);
      const upstream = client.source ?? this.#driver.sockets.find(one => one.source === client);
      if (record.end === '--') this.#checkClean(client, upstream);
      if (record.end === 'RC' && upstream && !this.#isBroken(upstream)) assert.equal(upstream.released, 'reset');
      if (record.end === 'RU' && !this.#isBroken(client)) assert.equal(client.released, 'reset');
      if (record.end === 'RX') assert.match(record.reason ?? '', /^TLS with the (client|endpoint): /);
      if (upstream && /^[RF]/.test(record.end)) {
        this.#checkCut(record.end, client, upstream);
        this.#checkCut(record.end, upstream, client);
      }
    }
  }

  /** Where TLS ends here, what is read counts as plaintext; otherwise as it is, and so does what is written before TLS begins. */
  #checkBytes({ end, rx, tx }: ConnectionRecord, client: FakeSocket): void {
    const stream = this.#made.tls.find(client);
    if (!stream) {
      // A reload may turn TLS on and off.
      if (!this.#world.clientTls || rx > 0) assert.equal(rx, client.delivered);
      assert.equal(tx, client.written + client.told.length);
      return;
    }
    // Bytes written to a stream may be lost with it, and its events have no effect while close_notify is on its way.
    const plaintext = rx;
    assert.ok(plaintext >= 0 && plaintext <= stream.told, `${plaintext} of ${stream.told} bytes`);
    assert.ok(tx >= client.written, `${tx} of ${client.written} bytes`);
    if (end === '--') assert.deepEqual([plaintext, tx], [stream.told, client.written]);
  }

  /** A side gets a FIN only for the whole of what the other had to say, unless both had fallen silent. */
  #checkCut(end: string, one: FakeSocket, other: FakeSocket): void {
    if (this.#isBroken(one)) return;
    const isWhole = this.#unsent(one) === 0 && (this.#hasEnded(other) || /T$/.test(end));
    assert.equal(one.released, isWhole ? 'close' : 'reset', `${one.name} after ${end}`);
  }

  #checkClean(client: FakeSocket, upstream: FakeSocket | undefined): void {
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      if (!one) continue;
      assert.ok(this.#hasEnded(one));
      assert.equal(one.released, 'close');
      assert.equal(this.#unsent(one), 0);
      if (other) assert.equal(one.written, other.payload);
      else assert.equal(one.payload + one.written, 0);
    }
    // The first end is passed on at once; the last may come with the close.
    if (upstream) assert.ok(client.isShut || upstream.isShut);
  }

  #notices(): readonly string[] {
    return this.#relay.messages.flatMap(one =>
      one.type === 'notice' && one.text.includes('cannot happen') ? [one.text] : [],
    );
  }
}

test('whatever happens in whatever order, every session ends once, with its books balanced', () => {
  fc.assert(
    fc.property(world, one => new Run(one).play()),
    { numRuns: sized({ quick: 400, full: 10_000 }) },
  );
});

test('a session tries every endpoint once before any twice, no more than 1 + maxRetries in all', () => {
  const plan = fc.record({
    endpoints: fc.integer({ min: 1, max: 6 }),
    maxRetries: fc.integer({ min: 0, max: 8 }),
    successAt: fc.integer({ min: 1, max: 12 }),
    balancer: fc.constantFrom('p2c' as const, 'ewma' as const, 'roundRobin' as const),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(plan, ({ endpoints, maxRetries, successAt, balancer, seed }) => {
      const { relay, driver, client, finish } = fakeRelay({
        upstreams: Array.from({ length: endpoints }, (_, i) => 1001 + i),
        listener: { connectTimeoutMs: 60_000 },
        client: { maxRetries, balancer },
        random: seededRandom(seed),
      });
      client();
      const tried: number[] = [];
      let attempt = driver.upstreams()[0];
      while (attempt?.connecting) {
        tried.push(attempt.address.port);
        attempt.outcome = tried.length === successAt ? 0 : ECONNREFUSED;
        driver.settle();
        driver.advance(100);
        driver.settle();
        attempt = driver.upstreams()[0];
      }
      assert.equal(tried.length, Math.min(successAt, 1 + maxRetries));
      assert.equal(new Set(tried.slice(0, endpoints)).size, Math.min(tried.length, endpoints));
      finish();
      assert.deepEqual(
        relay.records.map(record => record.end),
        [successAt <= 1 + maxRetries ? 'RD' : 'CU'],
      );
    }),
  );
});
