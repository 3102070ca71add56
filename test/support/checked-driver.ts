/**
 * A driver under observation: every command goes through, every event too, and what breaks the contract of io/driver.ts on
 * either side is collected in `violations`.
 */
import type {
  BufferId,
  Driver,
  DriverEvents,
  ListenerSettings,
  ListenOptions,
  SocketAddress,
  SocketOptions,
} from '../../src/io/driver.ts';
import { type Handle, noHandle } from '../../src/io/handle.ts';

export type CreateDriver = (events: DriverEvents) => Driver;

interface Seen {
  readonly isListener: boolean;
  connected: boolean;
  reading: boolean;
  ended: boolean;
  failed: boolean;
  /** close() or reset() was called. */
  released: boolean;
  /** A write or a splice had to wait, and `drained` has not come yet. */
  waits: boolean;
  shut: boolean;
  /** Where its bytes may go instead of `data`. */
  splicedTo: Handle | undefined;
}

export class CheckedDriver implements Driver {
  readonly violations: string[] = [];
  readonly #driver: Driver;
  readonly #seen = new Map<Handle, Seen>();
  /** Chunks that belong to the driver's user. */
  readonly #owned = new Set<BufferId>();
  #inCommand = false;

  constructor(createDriver: CreateDriver, events: DriverEvents) {
    this.#driver = createDriver(this.#checking(events));
  }

  get kind(): Driver['kind'] {
    return this.#driver.kind;
  }

  get isBehind(): boolean {
    return this.#driver.isBehind;
  }

  now(): number {
    return this.#driver.now();
  }

  wakeAt(time: number): void {
    this.#command(() => this.#driver.wakeAt(time));
  }

  listen(options: ListenOptions): Handle {
    return this.#opened(
      this.#command(() => this.#driver.listen(options)),
      true,
      false,
    );
  }

  accepting(listener: Handle, on: boolean): void {
    this.#living(listener, 'accepting');
    this.#command(() => this.#driver.accepting(listener, on));
  }

  adjust(listener: Handle, options: ListenerSettings): void {
    this.#living(listener, 'adjust');
    this.#command(() => this.#driver.adjust(listener, options));
  }

  connect(address: SocketAddress, options: SocketOptions): Handle {
    return this.#opened(
      this.#command(() => this.#driver.connect(address, options)),
      false,
      false,
    );
  }

  reading(socket: Handle, on: boolean): void {
    const seen = this.#living(socket, 'reading');
    if (seen) seen.reading = on;
    this.#command(() => this.#driver.reading(socket, on));
  }

  write(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const seen = this.#living(socket, 'write');
    if (seen?.shut) this.#violated(`write after shutdown of ${socket}`);
    if (!this.#owned.delete(buffer)) this.#violated(`write of the chunk ${buffer}, which is not its user's`);
    this.#command(() => this.#driver.write(socket, buffer, offset, length));
    if (seen && this.#driver.pending(socket) > 0) seen.waits = true;
  }

  pending(socket: Handle): number {
    this.#living(socket, 'pending');
    const pending = this.#driver.pending(socket);
    if (pending < 0) this.#violated(`${pending} bytes pending`);
    return pending;
  }

  unacknowledged(socket: Handle): number | undefined {
    this.#living(socket, 'unacknowledged');
    return this.#command(() => this.#driver.unacknowledged(socket));
  }

  splice(from: Handle, to: Handle): boolean {
    const seen = this.#living(from, 'splice');
    if (this.#living(to, 'splice')?.shut) this.#violated(`splice to ${to} after its shutdown`);
    const isSpliced = this.#command(() => this.#driver.splice(from, to));
    if (seen && isSpliced) seen.splicedTo = to;
    return isSpliced;
  }

  bulkRead(socket: Handle): void {
    this.#living(socket, 'bulkRead');
    this.#command(() => this.#driver.bulkRead(socket));
  }

  shutdown(socket: Handle): void {
    const seen = this.#living(socket, 'shutdown');
    if (seen) seen.shut = true;
    this.#command(() => this.#driver.shutdown(socket));
  }

  close(socket: Handle): void {
    const seen = this.#living(socket, 'close');
    if (seen) seen.released = true;
    this.#command(() => this.#driver.close(socket));
  }

  reset(socket: Handle): void {
    const seen = this.#living(socket, 'reset');
    if (seen) seen.released = true;
    this.#command(() => this.#driver.reset(socket));
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.#driver.bytes(buffer);
  }

  keep(buffer: BufferId, offset: number, length: number): BufferId {
    this.#owned.delete(buffer);
    const kept = this.#command(() => this.#driver.keep(buffer, offset, length));
    this.#owned.add(kept);
    return kept;
  }

  release(buffer: BufferId): void {
    if (!this.#owned.delete(buffer)) this.#violated(`release of the chunk ${buffer}, which is not its user's`);
    this.#command(() => this.#driver.release(buffer));
  }

  wrap(bytes: Uint8Array): BufferId {
    const buffer = this.#command(() => this.#driver.wrap(bytes));
    if (this.#owned.has(buffer)) this.#violated(`the chunk ${buffer} is made anew while its user owns it`);
    this.#owned.add(buffer);
    return buffer;
  }

  peer(socket: Handle): string {
    return this.#driver.peer(socket);
  }

  ledger(): { readonly sockets: number; readonly buffers: number } {
    return this.#driver.ledger();
  }

  isReleased(handle: Handle): boolean {
    return this.#seen.get(handle)?.released ?? true;
  }

  #checking(events: DriverEvents): DriverEvents {
    return {
      listening: (listener, address) => {
        this.#event(listener, 'listening');
        events.listening(listener, address);
      },
      accepted: (listener, socket) => {
        this.#event(listener, 'accepted');
        this.#opened(socket, false, true);
        events.accepted(listener, socket);
      },
      acceptFailed: (listener, errno) => {
        this.#event(listener, 'acceptFailed');
        events.acceptFailed(listener, errno);
      },
      connected: socket => {
        const seen = this.#event(socket, 'connected');
        if (seen?.connected) this.#violated(`connected twice: ${socket}`);
        if (seen) seen.connected = true;
        events.connected(socket);
      },
      data: (socket, buffer, offset, length) => {
        const seen = this.#event(socket, 'data');
        if (!seen?.connected) this.#violated(`data before connected: ${socket}`);
        if (!seen?.reading) this.#violated(`data while reading is off: ${socket}`);
        if (seen?.ended) this.#violated(`data after ended: ${socket}`);
        if (this.#owned.has(buffer)) this.#violated(`data in the chunk ${buffer}, which its user still owns`);
        const room = this.#driver.bytes(buffer).length;
        if (length <= 0 || offset < 0 || offset + length > room)
          this.#violated(`${offset} + ${length} of ${room} bytes`);
        this.#owned.add(buffer);
        events.data(socket, buffer, offset, length);
      },
      moved: (socket, length) => {
        const seen = this.#event(socket, 'moved');
        if (!seen?.reading) this.#violated(`moved while reading is off: ${socket}`);
        if (seen?.ended) this.#violated(`moved after ended: ${socket}`);
        if (!(length > 0)) this.#violated(`moved ${length} bytes`);
        const to = seen?.splicedTo;
        const sink = to === undefined ? undefined : this.#seen.get(to);
        if (to === undefined || !sink || sink.released) this.#violated(`moved from ${socket} to nowhere`);
        else if (this.#driver.pending(to) > 0) sink.waits = true;
        events.moved(socket, length);
      },
      drained: socket => {
        const seen = this.#event(socket, 'drained');
        if (!seen?.waits) this.#violated(`drained, but nothing waited: ${socket}`);
        if (this.#driver.pending(socket) > 0) this.#violated(`drained, but bytes are pending: ${socket}`);
        if (seen) seen.waits = false;
        events.drained(socket);
      },
      ended: socket => {
        const seen = this.#event(socket, 'ended');
        if (!seen?.reading) this.#violated(`ended while reading is off: ${socket}`);
        if (seen?.ended) this.#violated(`ended twice: ${socket}`);
        if (seen) seen.ended = true;
        events.ended(socket);
      },
      failed: (socket, errno) => {
        const seen = this.#event(socket, 'failed');
        if (seen) seen.failed = true;
        if (!(errno > 0)) this.#violated(`errno ${errno}`);
        events.failed(socket, errno);
      },
      closed: socket => {
        if (this.#inCommand) this.#violated(`closed ${socket} from within a command`);
        const seen = this.#seen.get(socket);
        if (!seen?.released) this.#violated(`closed ${socket}, which nobody closed, or twice`);
        this.#seen.delete(socket);
        events.closed(socket);
      },
      woken: () => {
        if (this.#inCommand) this.#violated('woken from within a command');
        events.woken();
      },
    };
  }

  #opened(handle: Handle, isListener: boolean, connected: boolean): Handle {
    if (handle === noHandle) return handle;
    if (this.#seen.has(handle)) this.#violated(`the handle ${handle} is given out while its socket lives`);
    const fresh = {
      reading: false,
      ended: false,
      failed: false,
      released: false,
      waits: false,
      shut: false,
      splicedTo: undefined,
    };
    this.#seen.set(handle, { isListener, connected, ...fresh });
    return handle;
  }

  #event(handle: Handle, name: string): Seen | undefined {
    if (this.#inCommand) this.#violated(`${name} from within a command`);
    const seen = this.#seen.get(handle);
    if (seen === undefined || seen.released) this.#violated(`${name} after close of ${handle}`);
    else if (seen.failed) this.#violated(`${name} after failed: ${handle}`);
    return seen;
  }

  #living(handle: Handle, command: string): Seen | undefined {
    const seen = this.#seen.get(handle);
    if (seen === undefined || seen.released) this.#violated(`${command} of ${handle}, which is closed`);
    return seen;
  }

  #command<T>(body: () => T): T {
    const wasInCommand = this.#inCommand;
    this.#inCommand = true;
    try {
      return body();
    } finally {
      this.#inCommand = wasInCommand;
    }
  }

  #violated(what: string): void {
    this.violations.push(what);
  }
}
