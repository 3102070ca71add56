/** A driver on its own, as the contract tests use it: events are recorded, chunks kept, written elsewhere or released. */
import assert from 'node:assert/strict';
import type { Driver, DriverEvents, ListenOptions, SocketAddress } from '../../src/io/driver.ts';
import type { Handle } from '../../src/io/handle.ts';
import { CheckedDriver, type CreateDriver } from '../support/checked-driver.ts';
import { connectPeer, type ListeningPeer, type Peer } from '../support/peer.ts';
import type { Scope } from '../support/scope.ts';
import { until, within } from '../support/waiting.ts';

export interface Chunk {
  readonly buffer: number;
  readonly offset: number;
  readonly length: number;
}

/** The events of one handle. */
export class Heard {
  /** Names of its events in order; runs of `data` and of `moved` count as one. */
  readonly events: string[] = [];
  received = 0;
  /** Bytes that have gone to the socket it is spliced to. */
  moved = 0;
  errno = 0;
  address: SocketAddress | undefined;
  readonly accepted: Handle[] = [];
  /** Chunks not yet released, when it keeps them. */
  readonly kept: Chunk[] = [];
  /** Where its bytes go: written to that socket, kept, or released. */
  sink: Handle | 'keep' | 'release' = 'release';
  /** Runs within the event. */
  onAccepted: ((socket: Handle) => void) | undefined;
  onData: (() => void) | undefined;

  count(name: string): number {
    return this.events.filter(event => event === name).length;
  }
}

export class Rig {
  readonly driver: Driver;
  readonly checked: CheckedDriver;
  readonly open = new Set<Handle>();
  woken = 0;
  readonly #heard = new Map<Handle, Heard>();
  #changed = Promise.withResolvers<void>();

  constructor(createDriver: CreateDriver) {
    const note = (handle: Handle, name: string): Heard => {
      const heard = this.heard(handle);
      if ((name !== 'data' && name !== 'moved') || heard.events.at(-1) !== name) heard.events.push(name);
      queueMicrotask(() => {
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      });
      return heard;
    };
    const events: DriverEvents = {
      listening: (listener, address) => {
        note(listener, 'listening').address = address;
      },
      accepted: (listener, socket) => {
        this.#heard.set(socket, new Heard());
        this.open.add(socket);
        const heard = note(listener, 'accepted');
        heard.accepted.push(socket);
        heard.onAccepted?.(socket);
      },
      acceptFailed: listener => void note(listener, 'acceptFailed'),
      connected: socket => void note(socket, 'connected'),
      data: (socket, buffer, offset, length) => {
        const heard = note(socket, 'data');
        heard.received += length;
        if (heard.sink === 'keep') heard.kept.push({ buffer, offset, length });
        else if (heard.sink === 'release') this.driver.release(buffer);
        else this.driver.write(heard.sink, buffer, offset, length);
        heard.onData?.();
      },
      moved: (socket, length) => {
        note(socket, 'moved').moved += length;
      },
      drained: socket => void note(socket, 'drained'),
      ended: socket => void note(socket, 'ended'),
      failed: (socket, errno) => {
        note(socket, 'failed').errno = errno;
      },
      closed: socket => {
        note(socket, 'closed');
        this.open.delete(socket);
      },
      woken: () => {
        this.woken++;
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    };
    this.checked = new CheckedDriver(createDriver, events);
    this.driver = this.checked;
  }

  heard(handle: Handle): Heard {
    const known = this.#heard.get(handle);
    if (known) return known;
    const heard = new Heard();
    this.#heard.set(handle, heard);
    return heard;
  }

  /** Looks again after every event. */
  async until(isReached: () => boolean, what: string): Promise<void> {
    while (!isReached()) await within(this.#changed.promise, what);
  }

  async event(handle: Handle, name: string): Promise<Heard> {
    const heard = this.heard(handle);
    await this.until(() => heard.events.includes(name), `${name}; had ${heard.events}`);
    return heard;
  }

  listen(options: Partial<ListenOptions> = {}): Handle {
    const handle = this.driver.listen({
      ip: '127.0.0.1',
      port: 0,
      backlog: 128,
      reusePort: false,
      socket: { keepAliveSecs: 0 },
      ...options,
    });
    this.#heard.set(handle, new Heard());
    this.open.add(handle);
    return handle;
  }

  connect(port: number, ip = '127.0.0.1'): Handle {
    const handle = this.driver.connect({ ip, port }, { keepAliveSecs: 0 });
    this.#heard.set(handle, new Heard());
    this.open.add(handle);
    return handle;
  }

  async listening(options: Partial<ListenOptions> = {}): Promise<{ listener: Handle; port: number; ip: string }> {
    const listener = this.listen(options);
    const { address } = await this.event(listener, 'listening');
    return { listener, ...(address as SocketAddress) };
  }

  /** A socket of the driver that a peer connected to. */
  async accept(
    t: Scope,
    options: Partial<ListenOptions> = {},
  ): Promise<{ socket: Handle; client: Peer; port: number }> {
    const { listener, port, ip } = await this.listening(options);
    const client = await connectPeer(t, port, { host: ip });
    const heard = await this.event(listener, 'accepted');
    return { socket: heard.accepted[0], client, port };
  }

  /** A socket of the driver that connected to a peer. */
  async connected(upstream: ListeningPeer): Promise<{ socket: Handle; server: Peer }> {
    const socket = this.connect(upstream.port);
    await this.event(socket, 'connected');
    return { socket, server: await upstream.next() };
  }

  release(handle: Handle): void {
    for (const { buffer } of this.heard(handle).kept.splice(0)) this.driver.release(buffer);
  }

  async close(...handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) this.driver.close(handle);
    for (const handle of handles) await this.event(handle, 'closed');
  }

  /** A full round through the loop and the kernel: what was under way before has come by then. */
  async settle(): Promise<void> {
    const { listener, port } = await this.listening();
    const mine = this.connect(port);
    await this.event(mine, 'connected');
    const { accepted } = await this.event(listener, 'accepted');
    this.driver.reading(mine, true);
    this.driver.shutdown(accepted[0]);
    await this.event(mine, 'ended');
    await this.close(listener, mine, accepted[0]);
  }

  /** Closes what is left; then nothing may be left, and no rule may have been broken. */
  async finish(): Promise<void> {
    for (const handle of this.open) {
      const { events } = this.heard(handle);
      if (!this.checked.isReleased(handle)) this.driver.close(handle);
      this.release(handle);
      assert.ok(!events.includes('closed'));
    }
    const { driver } = this;
    await until(
      () => driver.ledger().sockets === 0 && driver.ledger().buffers === 0,
      () => `the driver to give everything back: ${JSON.stringify(driver.ledger())}`,
      { everyMs: 2 },
    );
    driver.wakeAt(Number.POSITIVE_INFINITY);
    assert.equal(this.open.size, 0, 'every handle closed with one closed event');
    assert.deepEqual(this.checked.violations, []);
  }
}
