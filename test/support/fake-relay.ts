/** One worker on a {@link FakeDriver} and {@link FakeTls}: no sockets, no time, every completion at the test's word. */
import assert from 'node:assert/strict';
import { CheckedDriver } from './checked-driver.ts';
import { FakeDriver, type FakeSocket } from './fake-driver.ts';
import { FakeTls } from './fake-tls.ts';
import { Relay, type RelayOptions } from './relay.ts';

export interface FakeRelay {
  readonly relay: Relay;
  readonly driver: FakeDriver;
  readonly checked: CheckedDriver;
  /** Only after the worker has received a context. */
  readonly tls: FakeTls;
  /** A client that connects; what that leads to at once has happened. */
  client(): FakeSocket;
  /** Ends everything, lets all that is under way come, and asserts that nothing is left. */
  finish(): void;
}

export interface FakeRelayOptions extends Omit<RelayOptions, 'createDriver' | 'createTls'> {
  readonly chunkBytes?: number;
  /** TLS tells everything from the event loop, as the portable engine does. */
  readonly tlsFromLoop?: boolean;
}

export function fakeRelay(options: FakeRelayOptions): FakeRelay {
  const made: { checked?: CheckedDriver; driver?: FakeDriver; tls?: FakeTls } = {};
  const relay = new Relay({
    ...options,
    createDriver: events => {
      made.checked = new CheckedDriver(checking => {
        made.driver = new FakeDriver(checking, options.chunkBytes);
        return made.driver;
      }, events);
      return made.checked;
    },
    createTls: (sink, below) => {
      const tls = new FakeTls(sink, below, made.driver as FakeDriver, options.tlsFromLoop);
      made.tls = tls;
      return tls;
    },
  });
  const { checked, driver } = made as { checked: CheckedDriver; driver: FakeDriver };
  driver.settle();
  return {
    relay,
    driver,
    checked,
    get tls() {
      return made.tls as FakeTls;
    },
    client: () => {
      const client = driver.accept(driver.listeners[0]);
      driver.settle();
      return client;
    },
    finish: () => {
      if (!relay.messages.some(message => message.type === 'drained')) {
        relay.worker.tell({ type: 'drain', graceMs: 50 });
        driver.settle();
        driver.advance(2_000);
        driver.settle();
      }
      assert.deepEqual(checked.violations, []);
      assert.deepEqual(driver.ledger(), { sockets: 0, buffers: 0 });
      assert.equal(relay.worker.load, 0);
      assert.equal(relay.waiters, 0);
      assert.equal(relay.queued, 0);
      assert.equal(relay.active, 0);
      for (let slot = 0; slot < relay.endpoints.capacity; slot++) assert.equal(relay.endpoints.load(slot), 0);
      assert.equal(relay.messages.filter(message => message.type === 'drained').length, 1);
    },
  };
}
