/** Socket addresses survive the way to the kernel's form and back. */
import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { mapMemory } from '../../../src/io/native/kernel/memory.ts';
import { readSockaddr, writeSockaddr } from '../../../src/io/native/kernel/sockaddr.ts';

const memory = mapMemory(64);

function roundTrip(ip: string, port: number, offset = 0) {
  writeSockaddr(memory, { ip, port }, offset);
  return readSockaddr(memory, offset);
}

test('any IPv4 address and port comes back as it was', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 65_535 }), (ip, port) => {
      assert.deepEqual(roundTrip(ip, port), { ip, port });
    }),
  );
});

test('any IPv6 address comes back as the same address, in its shortest form', () => {
  fc.assert(
    fc.property(fc.ipV6(), ip => {
      const shown = roundTrip(ip, 80, 32).ip;
      assert.ok(isIPv6(shown), shown);
      assert.equal(new URL(`http://[${ip}]/`).hostname, new URL(`http://[${shown}]/`).hostname);
      assert.deepEqual(roundTrip(shown, 80).ip, shown);
    }),
  );
});

for (const [ip, shown] of [
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:DB8::0:1', '2001:db8::1'],
  ['fe80:0:0:0:0:0:0:1%lo', 'fe80::1%lo'],
  ['fe80::1%1', 'fe80::1%lo'],
  ['fe80::1%4000', 'fe80::1%4000'],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
  ['::ffff:7f00:1', '::ffff:127.0.0.1'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
] as const) {
  test(`${ip} is shown as ${shown}`, () => assert.equal(roundTrip(ip, 1).ip, shown));
}
