/** Engines on OpenSSL without sockets: what one end sends is given to the other one when the test says so. */
import assert from 'node:assert/strict';
import type { BufferId } from '../../../../src/io/driver.ts';
import type { Handle } from '../../../../src/io/handle.ts';
import { BufferPool } from '../../../../src/io/native/base/buffer-pool.ts';
import { OpensslEngine } from '../../../../src/io/native/openssl/engine.ts';
import type { TlsContext } from '../../../../src/io/tls/context.ts';
import type { TlsBuffers, TlsDetails, TlsSink, TlsStream } from '../../../../src/io/tls/engine.ts';
import type { TlsTrouble } from '../../../../src/io/tls/trouble.ts';

export const buffersOf = (pool: BufferPool): TlsBuffers => ({
  bytes: buffer => pool.view(buffer),
  release: buffer => pool.give(buffer),
  wrap: bytes => pool.copyIn(bytes),
});

/** One end of a connection. */
export class End {
  readonly #ends: Ends;
  readonly handle: Handle;
  stream!: TlsStream;
  peer: End | undefined;
  /** Ciphertext on its way to the other end. */
  sent: Uint8Array[] = [];
  /** Lengths of the chunks delivered. */
  readonly told: number[] = [];
  readonly events: string[] = [];
  received = Buffer.alloc(0);
  details: TlsDetails | undefined;
  trouble: TlsTrouble | undefined;
  onPlaintext: () => void = () => {};

  constructor(ends: Ends, handle: Handle) {
    this.#ends = ends;
    this.handle = handle;
  }

  read(on = true): this {
    this.stream.reading(on);
    return this;
  }

  write(bytes: Uint8Array): void {
    const { pool } = this.#ends;
    this.stream.write(pool.copyIn(bytes), 0, bytes.length);
  }

  receive(bytes: Uint8Array): void {
    this.stream.receive(this.#ends.pool.copyIn(bytes), 0, bytes.length);
  }

  takeSent(): Buffer {
    return Buffer.concat(this.sent.splice(0));
  }
}

/** An engine, and the ends it has. */
export class Ends implements TlsSink {
  readonly pool: BufferPool;
  readonly engine: OpensslEngine;
  readonly #ends: End[] = [];
  #nextContext = 1;

  constructor(buffers = 256, bytes = 16 * 1024, debug = true) {
    this.pool = new BufferPool({ bytes, step: 4, limit: buffers, debug });
    this.engine = new OpensslEngine(this, this.pool);
  }

  define(context: TlsContext): number {
    const id = this.#nextContext++;
    this.engine.define(id, context);
    return id;
  }

  accept(context: number): End {
    const end = this.#add();
    end.stream = this.engine.accept(end.handle, context, {
      kind: 'hello',
      serverName: undefined,
      protocols: [],
      ticketNames: [],
    });
    return end;
  }

  connect(context: number, serverName = 'server.test', endpoint = '192.0.2.1:443'): End {
    const end = this.#add();
    end.stream = this.engine.connect(end.handle, context, { serverName, endpoint });
    end.stream.start();
    return end;
  }

  #add(): End {
    const end = new End(this, this.#ends.length as Handle);
    this.#ends.push(end);
    return end;
  }

  /** For many connections, one after the other. */
  forgetEnds(): void {
    this.#ends.length = 0;
  }

  #take(buffer: BufferId, offset: number, length: number): Uint8Array {
    const bytes = Uint8Array.from(this.pool.view(buffer).subarray(offset, offset + length));
    this.pool.give(buffer);
    assert.equal(bytes.length, length);
    return bytes;
  }

  ciphertext(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    this.#ends[socket].sent.push(this.#take(buffer, offset, length));
  }

  plaintext(socket: Handle, buffer: BufferId, offset: number, length: number): void {
    const end = this.#ends[socket];
    end.told.push(length);
    end.received = Buffer.concat([end.received, this.#take(buffer, offset, length)]);
    end.onPlaintext();
  }

  secured(socket: Handle, details: TlsDetails): void {
    this.#ends[socket].details = details;
  }

  finished(socket: Handle): void {
    this.#ends[socket].events.push('finished');
  }

  troubled(socket: Handle, trouble: TlsTrouble): void {
    this.#ends[socket].trouble = trouble;
  }

  taking(socket: Handle, on: boolean): void {
    this.#ends[socket].events.push(`taking ${on}`);
  }

  encrypted(socket: Handle): void {
    this.#ends[socket].events.push('encrypted');
  }
}

/** Gives each end what the other one has sent, until there is nothing more. */
export function exchange(a: End, b: End): void {
  for (let rounds = 0; a.sent.length + b.sent.length > 0; rounds++) {
    assert.ok(rounds < 1000, 'the ends never come to rest');
    for (const bytes of a.sent.splice(0)) b.receive(bytes);
    for (const bytes of b.sent.splice(0)) a.receive(bytes);
  }
}

/** Two ends that have shaken hands, and read. */
export function securePair(ends: Ends, client: number, server: number): { client: End; server: End } {
  const pair = { client: ends.connect(client), server: ends.accept(server) };
  pair.client.read();
  pair.server.read();
  exchange(pair.client, pair.server);
  assert.ok(pair.client.details && pair.server.details, String(pair.client.trouble?.text ?? pair.server.trouble?.text));
  return pair;
}
