/** TlsDriver on a fake driver and a fake engine: both do only what the test tells them, and report nothing by themselves. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { BufferId, Driver, DriverEvents } from '../../../src/io/driver.ts';
import type { Handle } from '../../../src/io/handle.ts';
import type { TlsServerContext } from '../../../src/io/tls/context.ts';
import type { TlsBuffers, TlsDetails, TlsEngine, TlsSink, TlsStream } from '../../../src/io/tls/engine.ts';
import type { SecureEvents } from '../../../src/io/tls/secure-driver.ts';
import { TlsDriver } from '../../../src/io/tls/tls-driver.ts';
import type { TlsTrouble } from '../../../src/io/tls/trouble.ts';
import type { ClientHello } from '../../../src/wire/client-hello.ts';
import { CountedBuffers } from './counted-buffers.ts';

const { EPROTO, ECONNRESET } = constants.errno;

/** Sockets that take what they are given at once, or when the test says so. */
class FakeBelow implements Driver {
  readonly kind = 'epoll';
  readonly isBehind = false;
  readonly events: DriverEvents;
  readonly buffers = new CountedBuffers();
  readonly log: string[] = [];
  time = 1_000;
  alarm = Number.POSITIVE_INFINITY;
  /** Writes wait. */
  isSlow = false;
  waiting = 0;

  constructor(events: DriverEvents) {
    this.events = events;
  }

  /** The kernel takes what waits. */
  flush(socket: Handle): void {
    this.waiting = 0;
    this.events.drained(socket);
  }

  now(): number {
    return this.time;
  }

  wakeAt(time: number): void {
    this.alarm = time;
  }

  listen(): Handle {
    return 99 as Handle;
  }

  accepting(): void {}

  adjust(): void {}

  connect(): Handle {
    return 1 as Handle;
  }

  reading(socket: Handle, on: boolean): void {
    this.log.push(`reading ${socket} ${on}`);
  }

  write(_socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const bytes = this.buffers.bytes(buffer).subarray(offset, offset + length);
    this.log.push(`write ${Buffer.from(bytes).toString('latin1')}`);
    this.buffers.release(buffer);
    if (this.isSlow) this.waiting += length;
  }

  pending(): number {
    return this.waiting;
  }

  unacknowledged(): undefined {}

  bulkRead(socket: Handle): void {
    this.log.push(`bulkRead ${socket}`);
  }

  splice(): boolean {
    this.log.push('splice');
    return true;
  }

  shutdown(): void {
    this.log.push('FIN');
  }

  close(): void {
    this.log.push('close');
  }

  reset(): void {
    this.log.push('reset');
  }

  bytes(buffer: BufferId): Uint8Array {
    return this.buffers.bytes(buffer);
  }

  keep(buffer: BufferId): BufferId {
    return buffer;
  }

  release(buffer: BufferId): void {
    this.buffers.release(buffer);
  }

  wrap(bytes: Uint8Array): BufferId {
    return this.buffers.wrap(bytes);
  }

  peer(): string {
    return '192.0.2.1:1';
  }

  ledger(): { readonly sockets: number; readonly buffers: number } {
    return { sockets: 0, buffers: this.buffers.outstanding };
  }
}

/** Ciphertext is plaintext in brackets, close_notify is `[end]`. */
class FakeStream implements TlsStream {
  readonly socket: Handle;
  readonly sink: TlsSink;
  readonly buffers: TlsBuffers;
  readonly log: string[] = [];
  holds = false;
  pending = 0;
  /** Ciphertext is made when the test says so. */
  isLate = false;
  late: string[] = [];
  onReceive: (text: string) => void = () => {};
  onTell: () => void = () => {};

  constructor(socket: Handle, sink: TlsSink, buffers: TlsBuffers) {
    this.socket = socket;
    this.sink = sink;
    this.buffers = buffers;
  }

  start(): void {
    this.send('[hello]');
  }

  receive(buffer: BufferId, offset: number, length: number): void {
    const text = Buffer.from(this.buffers.bytes(buffer).subarray(offset, offset + length)).toString('latin1');
    this.buffers.release(buffer);
    this.log.push(`receive ${text}`);
    this.onReceive(text);
  }

  receivedEnd(): void {
    this.log.push('receivedEnd');
  }

  reading(on: boolean): void {
    this.log.push(`reading ${on}`);
  }

  tell(): void {
    this.holds = false;
    this.onTell();
  }

  write(buffer: BufferId, offset: number, length: number): void {
    const text = Buffer.from(this.buffers.bytes(buffer).subarray(offset, offset + length)).toString('latin1');
    this.buffers.release(buffer);
    this.#encrypt(`[${text}]`);
  }

  end(): void {
    this.#encrypt('[end]');
  }

  destroy(): void {
    this.log.push('destroy');
  }

  #encrypt(text: string): void {
    if (!this.isLate) return this.send(text);
    this.pending += text.length;
    this.late.push(text);
  }

  encryptNow(): void {
    for (const text of this.late.splice(0)) this.send(text);
    this.pending = 0;
    this.sink.encrypted(this.socket);
  }

  send(text: string): void {
    this.sink.ciphertext(this.socket, this.buffers.wrap(Buffer.from(text)), 0, text.length);
  }

  plaintext(text: string): void {
    this.sink.plaintext(this.socket, this.buffers.wrap(Buffer.from(text)), 0, text.length);
  }
}

const hello: ClientHello = { kind: 'hello', serverName: undefined, protocols: [], ticketNames: [] };
const details: TlsDetails = {
  ...{ version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519' },
  ...{ resumed: false, protocol: '', peerCertificate: null },
};
const trouble: TlsTrouble = { kind: 'alert', text: 'tlsv1 alert unknown ca' };
const context = {} as TlsServerContext;
const socket = 0 as Handle;
const plain = 5 as Handle;

function fixture() {
  const told: string[] = [];
  const driverOf = (below: Driver): FakeBelow => below as FakeBelow;
  let stream: FakeStream | undefined;
  const tell = (text: string): void => void told.push(text);
  const events: SecureEvents = {
    listening: () => {},
    accepted: () => {},
    acceptFailed: () => {},
    connected: () => {},
    data: (from, buffer, offset, length) => {
      tell(`data ${from} ${Buffer.from(driver.bytes(buffer).subarray(offset, offset + length)).toString('latin1')}`);
      driver.release(buffer);
    },
    moved: () => {},
    drained: () => tell('drained'),
    ended: () => tell('ended'),
    failed: (_, errno) => tell(`failed ${errno}`),
    closed: () => tell('closed'),
    woken: () => tell('woken'),
    secured: () => tell('secured'),
  };
  const engine = (sink: TlsSink, buffers: TlsBuffers): TlsEngine => {
    const begin = (of: Handle): TlsStream => {
      stream = new FakeStream(of, sink, buffers);
      return stream;
    };
    return { define: () => {}, forget: () => {}, accept: begin, connect: begin };
  };
  const driver = new TlsDriver(events, below => new FakeBelow(below), engine);
  driver.defineTls(1, context);
  const below = driverOf(driver.below);
  return {
    driver,
    below,
    told,
    get stream(): FakeStream {
      return stream as FakeStream;
    },
    text: (of: string): [BufferId, number, number] => [driver.wrap(Buffer.from(of)), 0, of.length],
    /** A server's socket, its handshake done. */
    secured(): void {
      driver.acceptTls(socket, 1, hello, driver.wrap(Buffer.from('hello')), 0, 5);
      stream?.sink.secured(socket, details);
      told.length = 0;
      below.log.length = 0;
    },
    /** Time comes to the alarm, if there is one by then. */
    advance(ms: number): void {
      below.time += ms;
      while (below.alarm <= below.time) {
        below.alarm = Number.POSITIVE_INFINITY;
        driver.woken();
      }
    },
  };
}

// ---- answers that the stream makes by itself --------------------------------------------------------------------------

test('a peer that makes the stream answer, and does not read the answers, is not read from until it has', () => {
  const { driver, below, stream, secured, text } = (() => {
    const made = fixture();
    made.secured();
    return { ...made, stream: made.stream };
  })();
  driver.reading(socket, true);
  below.log.length = 0;
  below.isSlow = true;
  stream.onReceive = () => stream.send('x'.repeat(20_000));
  for (let i = 0; i < 4; i++) driver.data(socket, ...text('ask'));
  assert.equal(below.log.filter(line => line === 'reading 0 false').length, 1);
  below.flush(socket);
  assert.equal(below.log.at(-1), 'reading 0 true');
  assert.ok(secured);
});

test('bytes written by the owner do not stop reading, however many of them wait', () => {
  const made = fixture();
  made.secured();
  const { driver, below, text } = made;
  driver.reading(socket, true);
  below.log.length = 0;
  below.isSlow = true;
  for (let i = 0; i < 10; i++) driver.write(socket, ...text('x'.repeat(20_000)));
  assert.ok(!below.log.some(line => line.startsWith('reading')));
});

// ---- sockets without TLS ----------------------------------------------------------------------------------------------

test('a socket that was never secured is the driver’s own', () => {
  const { driver, below, told, text } = fixture();
  driver.reading(plain, true);
  driver.write(plain, ...text('as it is'));
  driver.data(plain, driver.wrap(Buffer.from('came')), 0, 4);
  driver.ended(plain);
  driver.drained(plain);
  driver.shutdown(plain);
  driver.failed(plain, ECONNRESET);
  driver.close(plain);
  driver.closed(plain);
  assert.deepEqual(below.log, ['reading 5 true', 'write as it is', 'FIN', 'close']);
  assert.deepEqual(told, ['data 5 came', 'ended', 'drained', `failed ${ECONNRESET}`, 'closed']);
  assert.equal(driver.trouble(plain), null);
  assert.equal(below.buffers.outstanding, 0);
});

test('nothing is spliced from or to a socket with TLS', () => {
  const { driver, below, secured } = fixture();
  assert.equal(driver.splice(plain, 6 as Handle), true);
  secured();
  assert.equal(driver.splice(socket, plain), false);
  assert.equal(driver.splice(plain, socket), false);
  assert.ok(!below.log.includes('splice'));
  // Where it comes from is read in larger chunks instead.
  assert.deepEqual(below.log.slice(-2), [`bulkRead ${socket}`, `bulkRead ${plain}`]);
});

// ---- handshakes -------------------------------------------------------------------------------------------------------

test('the stream has the ClientHello first, and reads on while the worker does not', () => {
  const f = fixture();
  f.driver.acceptTls(socket, 1, hello, f.driver.wrap(Buffer.from('hello')), 0, 5);
  f.advance(0);
  assert.deepEqual(f.stream.log, ['receive hello']);
  f.driver.data(socket, f.driver.wrap(Buffer.from('more')), 0, 4);
  assert.deepEqual(f.stream.log, ['receive hello', 'receive more']);
  f.stream.sink.secured(socket, details);
  assert.deepEqual(f.told, ['secured']);
  assert.equal(f.below.log.at(-1), `reading ${socket} false`);
});

test('a client sends its ClientHello at once and is read from', () => {
  const f = fixture();
  f.driver.connectTls(socket, 1, { serverName: 'server.test', endpoint: '192.0.2.1:443' });
  assert.deepEqual(f.below.log, ['write [hello]', `reading ${socket} true`]);
});

test('a failure within a command is reported later', () => {
  const f = fixture();
  f.driver.connectTls(socket, 1, { serverName: 'server.test', endpoint: '192.0.2.1:443' });
  f.stream.sink.troubled(socket, trouble);
  assert.deepEqual(f.told, []);
  f.advance(0);
  assert.deepEqual(f.told, [`failed ${EPROTO}`]);
});

test('bytes a stream holds are delivered in a turn of their own once reading is on, unless it is off again by then', () => {
  const f = fixture();
  f.secured();
  f.stream.holds = true;
  f.stream.onTell = () => f.stream.plaintext('held');
  f.driver.reading(socket, true);
  assert.deepEqual(f.told, []);
  f.driver.reading(socket, false);
  f.advance(0);
  assert.deepEqual(f.told, []);
  f.driver.reading(socket, true);
  f.advance(0);
  assert.deepEqual(f.told, ['data 0 held']);
});

test('the worker’s alarm is kept, whatever the driver itself is woken for', () => {
  const f = fixture();
  f.driver.wakeAt(1_500);
  f.driver.connectTls(socket, 1, { serverName: 'server.test', endpoint: '192.0.2.1:443' });
  f.stream.sink.troubled(socket, trouble);
  f.advance(0);
  f.advance(499);
  assert.ok(!f.told.includes('woken'));
  f.advance(1);
  assert.equal(f.told.filter(event => event === 'woken').length, 1);
});

test('a stream that takes no more is not read for', () => {
  const f = fixture();
  f.secured();
  f.driver.reading(socket, true);
  f.stream.sink.taking(socket, false);
  f.stream.sink.taking(socket, true);
  assert.deepEqual(
    f.below.log,
    [true, false, true].map(on => `reading ${socket} ${on}`),
  );
});

// ---- failures ---------------------------------------------------------------------------------------------------------

test('a TLS failure is reported with its reason when the alert is sent', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.stream.onReceive = () => {
    f.stream.send('[alert]');
    f.stream.sink.troubled(socket, trouble);
  };
  f.driver.data(socket, f.driver.wrap(Buffer.from('bad')), 0, 3);
  f.advance(0);
  assert.deepEqual(f.told, []);
  f.below.flush(socket);
  assert.deepEqual(f.told, [`failed ${EPROTO}`]);
  assert.deepEqual(f.driver.trouble(socket), trouble);
  f.driver.close(socket);
  assert.deepEqual(f.below.log, ['write [alert]', 'close']);
  assert.deepEqual(f.stream.log.at(-1), 'destroy');
});

test('a TLS failure is reported to the worker after a second if the peer does not take the alert', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.stream.send('[alert]');
  f.stream.sink.troubled(socket, trouble);
  f.advance(999);
  assert.deepEqual(f.told, []);
  f.advance(1);
  assert.deepEqual(f.told, [`failed ${EPROTO}`]);
});

test('after a TLS failure later input, output and ends are ignored', () => {
  const f = fixture();
  f.secured();
  f.stream.sink.troubled(socket, trouble);
  f.driver.write(socket, ...f.text('late'));
  f.driver.shutdown(socket);
  f.driver.data(socket, f.driver.wrap(Buffer.from('late')), 0, 4);
  f.driver.ended(socket);
  f.advance(0);
  assert.deepEqual(f.below.log, []);
  assert.deepEqual(f.told, [`failed ${EPROTO}`]);
  f.driver.failed(socket, ECONNRESET);
  assert.equal(f.told.length, 1);
  assert.equal(f.below.buffers.outstanding, 0);
});

test('a connection that fails below TLS is reported with its errno, then neither written to nor reported again', () => {
  const f = fixture();
  f.secured();
  f.stream.isLate = true;
  f.driver.reading(socket, true);
  f.driver.write(socket, ...f.text('on its way'));
  f.driver.shutdown(socket);
  f.driver.failed(socket, ECONNRESET);
  assert.deepEqual(f.told, [`failed ${ECONNRESET}`]);
  assert.equal(f.driver.trouble(socket), null);
  f.below.log.length = 0;
  f.stream.encryptNow();
  f.stream.plaintext('late');
  f.stream.sink.finished(socket);
  f.stream.sink.troubled(socket, trouble);
  f.advance(5_000);
  f.driver.close(socket);
  assert.deepEqual(f.below.log, ['close']);
  assert.equal(f.told.length, 1);
  assert.equal(f.below.buffers.outstanding, 0);
});

// ---- ends -------------------------------------------------------------------------------------------------------------

test('shutdown sends what was written, then close_notify, then FIN', () => {
  for (const isLate of [false, true]) {
    const f = fixture();
    f.secured();
    f.stream.isLate = isLate;
    f.driver.write(socket, ...f.text('last'));
    f.driver.shutdown(socket);
    if (isLate) {
      assert.ok(!f.below.log.includes('FIN'));
      assert.ok(f.driver.pending(socket) > 0);
      f.stream.encryptNow();
    }
    assert.deepEqual(f.below.log, ['write [last]', 'write [end]', 'FIN']);
    f.driver.shutdown(socket);
    assert.equal(f.below.log.filter(line => line === 'write [end]').length, 1);
  }
});

test('drained is delivered when both the stream and the kernel have taken all bytes', () => {
  const f = fixture();
  f.secured();
  f.stream.isLate = true;
  f.below.isSlow = true;
  f.driver.write(socket, ...f.text('much'));
  assert.equal(f.driver.pending(socket), 6);
  f.stream.encryptNow();
  assert.deepEqual(f.told, []);
  f.below.flush(socket);
  assert.deepEqual(f.told, ['drained']);
});

test('close sends close_notify first, and waits until it is sent', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.driver.reading(socket, true);
  f.driver.close(socket);
  assert.deepEqual(f.below.log, [`reading ${socket} true`, 'write [end]', `reading ${socket} false`]);
  f.below.flush(socket);
  assert.equal(f.below.log.at(-1), 'close');
  assert.deepEqual(f.told, []);
  f.driver.closed(socket);
  assert.deepEqual(f.told, ['closed']);
});

test('close waits for close_notify that is not ciphertext yet', () => {
  const f = fixture();
  f.secured();
  f.stream.isLate = true;
  f.driver.close(socket);
  assert.deepEqual(f.below.log, []);
  f.stream.encryptNow();
  assert.deepEqual(f.below.log, ['write [end]', 'close']);
});

test('close waits no longer than a second, and reports nothing meanwhile', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.driver.reading(socket, true);
  f.stream.holds = true;
  f.driver.reading(socket, false);
  f.driver.reading(socket, true);
  f.driver.close(socket);
  f.stream.plaintext('late');
  f.stream.sink.finished(socket);
  f.advance(999);
  assert.ok(!f.below.log.includes('close'));
  f.advance(1);
  assert.equal(f.below.log.at(-1), 'close');
  assert.deepEqual(f.told, []);
  assert.equal(f.below.buffers.outstanding, 0);
});

test('close that waits ends at once when the connection fails, or TLS does', () => {
  for (const isBelow of [true, false]) {
    const f = fixture();
    f.secured();
    f.below.isSlow = true;
    f.driver.close(socket);
    if (isBelow) f.driver.failed(socket, ECONNRESET);
    else f.stream.sink.troubled(socket, trouble);
    f.advance(0);
    assert.equal(f.below.log.at(-1), 'close');
    assert.deepEqual(f.told, []);
  }
});

test('close with something pending, or before the handshake is done, drops it without a word', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.driver.write(socket, ...f.text('not yet sent'));
  f.driver.close(socket);
  assert.deepEqual(f.below.log, ['write [not yet sent]', 'close']);
  const g = fixture();
  g.driver.acceptTls(socket, 1, hello, g.driver.wrap(Buffer.from('hello')), 0, 5);
  g.driver.close(socket);
  g.advance(0);
  assert.equal(g.below.log.at(-1), 'close');
  assert.ok(!g.below.log.includes('write [end]'));
  assert.equal(g.below.buffers.outstanding, 0);
});

test('close after shutdown sends close_notify only once', () => {
  const f = fixture();
  f.secured();
  f.driver.shutdown(socket);
  f.driver.close(socket);
  assert.deepEqual(f.below.log, ['write [end]', 'FIN', 'close']);
});

test('reset sends no close_notify and waits for nothing', () => {
  const f = fixture();
  f.secured();
  f.below.isSlow = true;
  f.driver.reset(socket);
  assert.deepEqual(f.below.log, ['reset']);
  assert.equal(f.stream.log.at(-1), 'destroy');
});

test('a socket that comes after one with TLS in the same slot has none', () => {
  const f = fixture();
  f.secured();
  f.driver.reset(socket);
  f.driver.closed(socket);
  f.driver.data(socket, f.driver.wrap(Buffer.from('plain')), 0, 5);
  assert.deepEqual(f.told, ['closed', 'data 0 plain']);
});

test('a FIN below is for the stream to judge', () => {
  const f = fixture();
  f.secured();
  f.driver.reading(socket, true);
  f.driver.ended(socket);
  assert.equal(f.stream.log.at(-1), 'receivedEnd');
  assert.deepEqual(f.told, []);
  f.stream.sink.finished(socket);
  assert.deepEqual(f.told, ['ended']);
});
