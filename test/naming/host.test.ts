import assert from 'node:assert/strict';
import { test } from 'node:test';
import { literalHost, shorthandIPv4 } from '../../src/naming/host.ts';

test('numeric hosts, and none at all, need no look-up', () => {
  const rows = { '127.1': '127.0.0.1', '10.0.0.1': '10.0.0.1', '::1': '::1', '': '127.0.0.1' };
  for (const [host, ip] of Object.entries(rows)) assert.deepEqual(literalHost(host), { state: 'bound', ips: [ip] });
  assert.equal(literalHost('localhost'), undefined);
});

test('IPv4 may leave out parts in the middle', () => {
  const rows: [string, string | undefined][] = [
    ['127.1', '127.0.0.1'],
    ['1', '0.0.0.1'],
    ['4294967295', '255.255.255.255'],
    ['4294967296', undefined],
    ['1.16777215', '1.255.255.255'],
    ['1.2.65535', '1.2.255.255'],
    ['1.2.65536', undefined],
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4.5', undefined],
    ['1.2.3.', undefined],
    ['256.1', undefined],
    ['010.1', undefined],
    ['a.1', undefined],
    ['', undefined],
  ];
  for (const [host, ip] of rows) assert.equal(shorthandIPv4(host), ip, host);
});
