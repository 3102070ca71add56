/**
 * Storms: thousands of connections that are killed, reset, half-closed and stalled at random, through one worker on its real driver.
 *
 * The worker runs in this process, in the driver's debug mode (released buffers are poisoned, their owners checked) and under
 * {@link CheckedDriver}; its peers run in another process. So the open files of this process are those of the proxy.
 *
 * Each storm is a seed. STORM_SEEDS=7,8,9 plays others: what a seed draws is always the same, only the timing is not.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { NativeDriver } from '../../src/io/native/base/native-driver.ts';
import type { NativeDriverKind } from '../../src/io/native/open.ts';
import { seededRandom } from '../balancer/seeded.ts';
import { CheckedDriver } from './checked-driver.ts';
import { openDescriptors, openFilesLimit } from './open-files.ts';
import { refusingPort } from './ports.ts';
import { connectTo, Relay } from './relay.ts';
import type { Scope } from './scope.ts';
import { sized } from './size.ts';
import type { FromPeers, StormReport, ToPeers } from './storm-peers.ts';
import { connectionsPerStorm, planStorm } from './storm-plan.ts';
import { until, within } from './waiting.ts';

const count = sized({ quick: 3, full: 24 });
const seeds = process.env['STORM_SEEDS']?.split(',').map(Number) ?? Array.from({ length: count }, (_, i) => i + 1);
/** Both ends of every connection, and what a process has open besides. */
const neededFiles = 2 * connectionsPerStorm + 1_000;
/** Files that a driver may keep open for reuse; it must close them when it is destroyed. */
const keptDescriptors = 64;
const stormTimeoutMs = 90_000;
const shownNotices = 3;
/** Reasons not to connect a client that did all it should. Where it was reset, an upstream may have gone before it spoke. */
const refusals = ['CU', 'CT', 'NN', 'NR'];
const earlyLosses = [...refusals, 'RU', 'FU'];

/** Registers the tests for one driver. One file per driver calls this, so that they run side by side. */
export function stormTests(kind: NativeDriverKind): void {
  test(`${kind}: ${seeds.length} storms of ${connectionsPerStorm} connections leave nothing open and a proxy that serves`, async t => {
    const limit = openFilesLimit();
    assert.ok(
      limit >= neededFiles,
      `a storm needs ${neededFiles} open files, the limit is ${limit}: try ulimit -n 20000`,
    );
    const peers = await startPeers(t);
    const upstreams = [...peers.ports, await refusingPort(t)];
    const descriptorsBefore = openDescriptors();
    const proxy = await StormyProxy.start(t, kind, upstreams);
    for (const seed of seeds) {
      await t.test(`storm ${seed}`, t => playStorm(t, seed, proxy, peers));
      assert.ok(proxy.isQuiet, `what storm ${seed} left behind would be found again after every other: ${proxy.left}`);
    }
    await proxy.stop();
    assert.equal(openDescriptors(), descriptorsBefore, 'open descriptors after the driver has given up its own');
  });
}

async function playStorm(t: TestContext, seed: number, proxy: StormyProxy, peers: Peers): Promise<void> {
  const start = performance.now();
  const plan = planStorm(seed);
  const { relay } = proxy;
  const { maxConcurrency, bufferSizeBytes, maxRetries, minConnections, maxConsecutiveFailures } = plan;
  const failFast = { maxConsecutiveFailures, penaltyMs: 20, maxPenaltyMs: 200, jitter: 0.5 };
  proxy.forgetRecords();
  const endsBefore = proxy.ends();
  await peers.prepare(seed, relay.port);
  relay.adjust({ maxConcurrency, bufferSizeBytes }, { maxRetries, minConnections, failFast });

  await peers.play();
  relay.adjust({ maxConcurrency: 10_000 }, { minConnections: 0, maxRetries: 10 });
  await proxy.quiet(`storm ${seed}`);
  const report = await peers.conclude();
  const seconds = (performance.now() - start) / 1000;

  const ends = new Map<string, number>();
  for (const { end } of relay.records) ends.set(end, (ends.get(end) ?? 0) + 1);
  t.diagnostic(describe(report, ends, plan.atOnce, seconds));
  assert.equal(report.problemCount, 0, `seed ${seed}: what the peers saw cannot be\n${report.problems.join('\n')}`);
  assert.deepEqual(proxy.violations.slice(0, 10), [], `seed ${seed}: the driver and its user keep the contract`);
  assert.deepEqual(proxy.alarms(), [], `seed ${seed}: errors the worker reports`);
  checkRecords(seed, proxy, report, ends, endsBefore);
  assert.ok(
    openDescriptors() <= proxy.descriptors + keptDescriptors,
    `seed ${seed}: ${openDescriptors()} descriptors are open, ${proxy.descriptors} were before the first storm`,
  );
  await proxy.serves(t);
}

/** Every session has ended once, is counted once under its code, and no code says that something impossible happened. */
function checkRecords(
  seed: number,
  { relay, ends: endsNow }: StormyProxy,
  report: StormReport,
  ends: ReadonlyMap<string, number>,
  endsBefore: ReadonlyMap<string, number>,
): void {
  const { records } = relay;
  assert.ok(
    records.length >= report.connected && records.length <= connectionsPerStorm,
    `seed ${seed}: ${records.length} records of ${report.connected} to ${connectionsPerStorm} connections`,
  );
  assert.equal(ends.get('II') ?? 0, 0, `seed ${seed}: sessions met impossible events`);
  const counted = new Map([...endsNow()].map(([code, count]) => [code, count - (endsBefore.get(code) ?? 0)]));
  for (const [code, count] of counted)
    assert.equal(count, ends.get(code) ?? 0, `seed ${seed}: ends ${code}, counted and recorded`);
  const recordsOf = Map.groupBy(records, ({ client }) => client);
  // A client that was reset before it knew that it was connected has no port to ask for.
  for (const { port, inbound } of report.refused.filter(({ port }) => port > 0)) {
    const own = recordsOf.get(`127.0.0.1:${port}`) ?? [];
    const reasons = inbound === 'end' ? refusals : earlyLosses;
    assert.ok(
      own.some(({ end }) => reasons.includes(end)),
      `seed ${seed}: the client on port ${port} heard nothing but its end (${inbound}), without a reason: ${JSON.stringify(own)}`,
    );
  }
}

function describe(report: StormReport, ends: ReadonlyMap<string, number>, atOnce: number, seconds: number): string {
  const codes = [...ends].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
  return (
    `${connectionsPerStorm} connections, ${report.mostAtOnce} of ${atOnce} at once, ${report.upstreams} reached an upstream, ` +
    `${report.killed} sides killed, ${report.complete} whole, ${report.refused.length} refused; ` +
    `ends ${codes.join(', ')}; ${(report.bytes / 2 ** 20).toFixed(0)} MiB; ${seconds.toFixed(1)} s`
  );
}

/** One worker on a native driver that is turned by this thread's event loop. */
class StormyProxy {
  readonly relay: Relay;
  /** Open in this process when it listens. */
  descriptors = 0;
  readonly #driver: NativeDriver;
  readonly #checked: CheckedDriver;
  readonly #upstreams: readonly number[];
  #isStopped = false;
  /** Records of earlier storms. */
  #forgotten = 0;

  private constructor(relay: Relay, driver: NativeDriver, checked: CheckedDriver, upstreams: readonly number[]) {
    this.relay = relay;
    this.#driver = driver;
    this.#checked = checked;
    this.#upstreams = upstreams;
  }

  static async start(t: Scope, kind: NativeDriverKind, upstreams: readonly number[]): Promise<StormyProxy> {
    // Loads node:ffi, which is only there on Linux.
    const { openNativeDriver } = await import('../../src/io/native/open.ts');
    let native: NativeDriver | undefined;
    let checked: CheckedDriver | undefined;
    const relay = new Relay({
      upstreams,
      listener: { backlog: 4096 },
      random: seededRandom(seeds[0]),
      createDriver: events => {
        checked = new CheckedDriver(checkedEvents => {
          native = openNativeDriver(kind, checkedEvents, { debug: true });
          return native;
        }, events);
        return checked;
      },
    });
    const proxy = new StormyProxy(
      relay,
      native as unknown as NativeDriver,
      checked as unknown as CheckedDriver,
      upstreams,
    );
    t.after(() => {
      proxy.#isStopped = true;
    });
    proxy.#turn();
    await relay.listening();
    proxy.descriptors = openDescriptors();
    return proxy;
  }

  get violations(): readonly string[] {
    return this.#checked.violations;
  }

  /** Everything that the proxy owns or counts besides its listener. */
  get left(): string {
    const { relay } = this;
    const { sockets, buffers } = this.#driver.ledger();
    return JSON.stringify({
      sockets: sockets - 1,
      buffers,
      load: relay.worker.load,
      active: relay.active,
      waiters: relay.waiters,
      queued: relay.queued,
      endpoints: this.#upstreams.reduce((sum, port) => sum + relay.load(port), 0),
      unrecorded: relay.metric('l5d:srv:accepts') - this.#forgotten - relay.records.length,
    });
  }

  get isQuiet(): boolean {
    return /^[^1-9]*$/.test(this.left);
  }

  /** Resolves when every session has ended and everything but the listener has been released. */
  async quiet(after: string): Promise<void> {
    await until(
      () => this.isQuiet,
      () => `the proxy to own nothing but its listener after ${after}: ${this.left}`,
    );
  }

  forgetRecords(): void {
    this.#forgotten += this.relay.records.length;
    this.relay.records.length = 0;
    this.relay.messages.length = 0;
  }

  alarms(): readonly string[] {
    return this.relay.messages
      .flatMap(message => (message.type === 'notice' && message.level === 'error' ? [message.text] : []))
      .slice(0, shownNotices);
  }

  /** Sessions ended so far, by code. */
  readonly ends = (): ReadonlyMap<string, number> => {
    const lines = this.relay.registry.expose().matchAll(/^l5d:srv:stream:end\{.*cause="(..)".*\} (\d+)$/gm);
    return new Map([...lines].map(([, code, count]) => [code, Number(count)]));
  };

  async serves(t: Scope): Promise<void> {
    const client = await connectTo(t, this.relay, { sends: 7, expects: 7 });
    await client.play('send 300k', 'expect 300k', 'shutdown', 'expect end');
    await this.quiet('an echo');
  }

  async stop(): Promise<void> {
    this.relay.worker.tell({ type: 'drain', graceMs: 0 });
    await until(
      () => this.#driver.ledger().sockets === 0 && this.#driver.ledger().buffers === 0,
      () => `the driver to give everything back: ${JSON.stringify(this.#driver.ledger())}`,
    );
    this.#isStopped = true;
    this.#driver.destroy();
  }

  readonly #turn = (): void => {
    if (this.#isStopped) return;
    this.#driver.turn(1);
    setImmediate(this.#turn);
  };
}

interface Peers {
  readonly ports: readonly number[];
  prepare(seed: number, port: number): Promise<unknown>;
  /** Resolves when all clients have come and gone. */
  play(): Promise<unknown>;
  conclude(): Promise<StormReport>;
}

async function startPeers(t: Scope): Promise<Peers> {
  const child = fork(join(import.meta.dirname, 'storm-peers.ts'));
  // It ends when its last peer has disconnected.
  t.after(() => child.connected && child.disconnect());
  const { ports } = await answer(child, 'listening', undefined);
  return {
    ports,
    prepare: (seed, port) => answer(child, 'prepared', { type: 'prepare', seed, port }),
    play: () => answer(child, 'clients-over', { type: 'play' }),
    conclude: async () => (await answer(child, 'over', { type: 'conclude' })).report,
  };
}

async function answer<T extends FromPeers['type']>(
  child: ChildProcess,
  type: T,
  question: ToPeers | undefined,
): Promise<Extract<FromPeers, { type: T }>> {
  const { promise, resolve, reject } = Promise.withResolvers<Extract<FromPeers, { type: T }>>();
  const hear = (message: unknown): void => {
    const answered = message as FromPeers;
    if (answered.type === type) resolve(answered as Extract<FromPeers, { type: T }>);
    else reject(new Error(answered.type === 'failed' ? answered.text : `the peers said ${answered.type}, not ${type}`));
  };
  const exited = (code: number | null): void => reject(new Error(`the peers' process ended with ${code}`));
  child.once('message', hear).once('exit', exited);
  if (question) child.send(question);
  try {
    return await within(promise, `the peers to say ${type}`, stormTimeoutMs);
  } finally {
    child.off('message', hear).off('exit', exited);
  }
}
