/** The ClientHello of any client: read in any pieces, refused with the right alert, never trusted. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Alert, alertRecord, ClientHelloReader, type ReadResult } from '../../src/wire/client-hello.ts';
import {
  alpnExtension,
  bodyWith,
  bytesOf,
  extension,
  helloMessage,
  joined,
  messageOf,
  recordsOf,
  serverNameExtension,
  vector16,
} from '../support/client-hello.ts';

const read = (...pieces: readonly Uint8Array[]): ReadResult => {
  const reader = new ClientHelloReader();
  let result: ReadResult = { kind: 'more' };
  for (const piece of pieces) result = reader.read(piece);
  return result;
};

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : sizes[i % sizes.length];
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const hostName = fc.array(label, { minLength: 1, maxLength: 5 }).map(labels => labels.join('.'));
const protocols = fc.array(fc.string({ minLength: 1, maxLength: 20, unit: 'binary-ascii' }), {
  minLength: 1,
  maxLength: 5,
});
/** Types this reader does not know, each once. */
const otherType = fc.integer({ min: 17, max: 0xffff }).filter(type => type !== 35 && type !== 41);
const others = fc.uniqueArray(fc.tuple(otherType, fc.uint8Array({ maxLength: 2000 })), {
  selector: ([type]) => type,
  maxLength: 8,
});
const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12 });

test('name and protocols are read whatever records and segments the message comes in', () => {
  fc.assert(
    fc.property(
      fc.option(hostName, { nil: undefined }),
      fc.option(protocols, { nil: undefined }),
      others,
      sizes,
      sizes,
      (serverName, wanted, extensions, recordSizes, segments) => {
        const parts = {
          others: extensions,
          ...(serverName !== undefined && { serverName }),
          ...(wanted !== undefined && { protocols: wanted }),
        };
        const bytes = recordsOf(helloMessage(parts), recordSizes);
        const expected = { kind: 'hello', serverName, protocols: wanted ?? [], ticketNames: [] };
        assert.deepEqual(read(...cut(bytes, segments)), expected);
      },
    ),
  );
});

test('all but the last byte is not enough, and more bytes after it change nothing', () => {
  const bytes = recordsOf(helloMessage({ serverName: 'a.test', protocols: ['h2'] }), [10, 20]);
  const reader = new ClientHelloReader();
  for (const byte of bytes.subarray(0, -1)) assert.deepEqual(reader.read(Uint8Array.of(byte)), { kind: 'more' });
  const result = reader.read(joined(bytes.subarray(-1), Uint8Array.of(1, 2, 3)));
  assert.equal(result.kind, 'hello');
  assert.equal(reader.read(new Uint8Array(100)), result);
});

test('the name is reported in lower case, without the dot some clients put at its end', () => {
  for (const [sent, told] of [
    ['WWW.Example.TEST', 'www.example.test'],
    ['a.test.', 'a.test'],
    ['xn--bcher-kva.test', 'xn--bcher-kva.test'],
    ['under_score.test', 'under_score.test'],
    ['localhost', 'localhost'],
  ]) {
    const result = read(recordsOf(helloMessage({ serverName: sent })));
    assert.equal(result.kind === 'hello' && result.serverName, told);
  }
});

test('a ClientHello without extensions, as the oldest clients send it, names no server', () => {
  const expected = { kind: 'hello', serverName: undefined, protocols: [], ticketNames: [] };
  assert.deepEqual(read(recordsOf(messageOf(bodyWith(undefined)))), expected);
  assert.deepEqual(read(recordsOf(messageOf(bodyWith(new Uint8Array(0))))), expected);
});

test('a name of an unknown type is skipped', () => {
  const content = vector16(
    joined(Uint8Array.of(7), vector16(bytesOf('x')), Uint8Array.of(0), vector16(bytesOf('a.test'))),
  );
  const result = read(recordsOf(messageOf(bodyWith(extension(0, content)))));
  assert.equal(result.kind === 'hello' && result.serverName, 'a.test');
});

const helloWith = (...extensions: readonly Uint8Array[]): Uint8Array =>
  recordsOf(messageOf(bodyWith(joined(...extensions))));

const record = (type: number, version: number, content: Uint8Array): Uint8Array =>
  joined(Uint8Array.of(type, version >> 8, version & 0xff), vector16(content));

for (const [what, bytes, alert] of [
  ['HTTP in the clear', bytesOf('GET / HTTP/1.1\r\n'), Alert.unexpectedMessage],
  ['one byte that is not TLS', bytesOf('G'), Alert.unexpectedMessage],
  ['an SSLv2 hello', Uint8Array.of(0x80, 0x2e, 1, 3, 1), Alert.unexpectedMessage],
  ['an alert instead', record(21, 0x0303, Uint8Array.of(2, 0)), Alert.unexpectedMessage],
  ['a record of another major version', record(22, 0x0401, Uint8Array.of(1)), Alert.protocolVersion],
  ['an empty record', record(22, 0x0301, new Uint8Array(0)), Alert.unexpectedMessage],
  ['a record longer than 2^14 bytes', Uint8Array.of(22, 3, 1, 0x40, 1), Alert.recordOverflow],
  ['a ServerHello', recordsOf(messageOf(new Uint8Array(40), 2)), Alert.unexpectedMessage],
  ['a message too long to be wanted', recordsOf(Uint8Array.of(1, 1, 0, 1)), Alert.handshakeFailure],
  ['an empty message', recordsOf(Uint8Array.of(1, 0, 0, 0)), Alert.decodeError],
  ['a message of version 2', recordsOf(messageOf(Uint8Array.of(2, 0, ...new Uint8Array(60)))), Alert.protocolVersion],
  ['a session id too long', recordsOf(messageOf(bodyWith(undefined, { sessionIdBytes: 33 }))), Alert.decodeError],
  ['no cipher suite', recordsOf(messageOf(bodyWith(undefined, { suites: 0 }))), Alert.decodeError],
  [
    'bytes after the extensions',
    recordsOf(messageOf(joined(bodyWith(new Uint8Array(0)), Uint8Array.of(0)))),
    Alert.decodeError,
  ],
  ['an extension twice', helloWith(alpnExtension(['h2']), alpnExtension(['h2'])), Alert.illegalParameter],
  ['an extension that is cut off', recordsOf(messageOf(bodyWith(Uint8Array.of(0, 0, 0, 9, 1)))), Alert.decodeError],
  [
    'two host names',
    helloWith(
      extension(
        0,
        vector16(joined(Uint8Array.of(0), vector16(bytesOf('a')), Uint8Array.of(0), vector16(bytesOf('b')))),
      ),
    ),
    Alert.illegalParameter,
  ],
  ['an empty host name', helloWith(serverNameExtension('')), Alert.decodeError],
  ['an empty list of names', helloWith(extension(0, vector16(new Uint8Array(0)))), Alert.decodeError],
  ['a host name of 256 bytes', helloWith(serverNameExtension('a'.repeat(256))), Alert.decodeError],
  ['a host name with a NUL', helloWith(serverNameExtension('good.test\0.bad.test')), Alert.illegalParameter],
  ['a host name with a slash', helloWith(serverNameExtension('a/b')), Alert.illegalParameter],
  ['a host name with an empty label', helloWith(serverNameExtension('a..b')), Alert.illegalParameter],
  ['a host name that is a dot', helloWith(serverNameExtension('.')), Alert.illegalParameter],
  ['a protocol without a name', helloWith(alpnExtension([''])), Alert.decodeError],
  ['no protocol', helloWith(alpnExtension([])), Alert.decodeError],
] as const) {
  test(`${what} is refused with alert ${alert}`, () => {
    const result = read(bytes);
    assert.equal(result.kind, 'refused');
    assert.equal(result.kind === 'refused' && result.alert, alert);
    assert.ok(result.kind === 'refused' && result.reason.length > 0);
  });
}

test('whatever the bytes, and however they come, the reader answers and never throws', () => {
  const flipped = fc
    .tuple(others, hostName, sizes, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }))
    .map(([extensions, serverName, recordSizes, flips]) => {
      const bytes = recordsOf(helloMessage({ serverName, others: extensions, protocols: ['h2'] }), recordSizes);
      for (const [at, value] of flips) bytes[at % bytes.length] = value;
      return bytes;
    });
  const anything = fc.oneof(
    flipped,
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map(recordsOf),
  );
  fc.assert(
    fc.property(anything, sizes, (bytes, segments) => {
      const whole = read(bytes);
      assert.deepEqual(read(...cut(bytes, segments)), whole);
      if (whole.kind !== 'hello') return;
      assert.ok(whole.serverName === undefined || /^[a-z0-9._-]{1,255}$/.test(whole.serverName));
    }),
    { numRuns: 2000 },
  );
});

test('a client that sends the message a byte at a time costs no more than its bytes', () => {
  const reader = new ClientHelloReader();
  const bytes = recordsOf(
    helloMessage({ serverName: 'a.test', others: [[21, new Uint8Array(60_000)]] }),
    Array(500).fill(100),
  );
  const start = performance.now();
  let result: ReadResult = { kind: 'more' };
  for (let i = 0; i < bytes.length; i++) result = reader.read(bytes.subarray(i, i + 1));
  assert.equal(result.kind, 'hello');
  assert.ok(performance.now() - start < 2_000);
});

test('an alert is a record of its own', () => {
  assert.deepEqual([...alertRecord(Alert.unrecognizedName)], [21, 3, 3, 0, 2, 2, 112]);
});

const corpus = join(import.meta.dirname, 'corpus');

for (const file of readdirSync(corpus).filter(name => name.endsWith('.bin'))) {
  test(`corpus: ${file} is read as its client meant it`, () => {
    const expected = JSON.parse(readFileSync(join(corpus, file.replace(/bin$/, 'json')), 'utf8')) as object;
    const result = JSON.parse(JSON.stringify(read(readFileSync(join(corpus, file))))) as object;
    assert.deepEqual(result, { ticketNames: [], ...expected });
  });
}

const ticketNamesOf = (...extensions: readonly Uint8Array[]): readonly string[] | undefined => {
  const result = read(helloWith(...extensions));
  return result.kind === 'hello' ? result.ticketNames : undefined;
};

const ticketOf = (keyName: string, length = 160): Uint8Array =>
  joined(bytesOf(keyName), new Uint8Array(length - keyName.length).fill(3));
const identity = (ticket: Uint8Array): Uint8Array => joined(vector16(ticket), Uint8Array.of(0, 0, 1, 2));
const binders = vector16(joined(Uint8Array.of(32), new Uint8Array(32)));

test('the key of a TLS 1.2 session ticket is identified by its name', () => {
  assert.deepEqual(ticketNamesOf(extension(35, ticketOf('\u00ff123456789abcdef'))), ['\u00ff123456789abcdef']);
});

test('the keys of all TLS 1.3 tickets a client offers are identified by their names', () => {
  const identities = joined(
    identity(ticketOf('first key, older')),
    identity(ticketOf('second key, newer'.slice(0, 16))),
  );
  const names = ['first key, older', 'second key, newe'];
  assert.deepEqual(ticketNamesOf(extension(41, joined(vector16(identities), binders))), names);
});

test('an empty ticket, which asks for one, and a pre-shared key that cannot be a ticket identify no key', () => {
  assert.deepEqual(ticketNamesOf(extension(35, new Uint8Array(0))), []);
  const identities = identity(bytesOf('a short psk'));
  assert.deepEqual(ticketNamesOf(extension(41, joined(vector16(identities), binders))), []);
});

test('pre-shared keys that are cut off are refused with decode_error', () => {
  const whole = vector16(identity(ticketOf('0123456789abcdef')));
  const result = read(helloWith(extension(41, whole.subarray(0, -3))));
  assert.equal(result.kind === 'refused' && result.alert, Alert.decodeError);
});

test('a PostgreSQL client that asks for TLS is distinguished from clients that do not speak TLS', () => {
  for (const code of [47, 48]) {
    const heard = new ClientHelloReader().read(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, code));
    assert.equal(heard.kind, 'refused');
    assert.match(heard.kind === 'refused' ? heard.reason : '', /PostgreSQL.*SSLRequest.*sslnegotiation=direct/);
  }
  const other = new ClientHelloReader().read(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 46));
  assert.equal(other.kind === 'refused' && other.reason, 'not a TLS handshake');
});

test('a client that announces a long ClientHello and sends little of it takes little memory', () => {
  const announced = Uint8Array.of(22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff, ...new Array(200).fill(0));
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 200 }, () => new ClientHelloReader());
  for (const reader of readers) assert.equal(reader.read(announced).kind, 'more');
  const taken = (process.memoryUsage().arrayBuffers - before) / readers.length;
  assert.ok(taken < 8 * 1024, `${taken} bytes for each`);
});
