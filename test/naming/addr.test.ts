import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Addr,
  type Address,
  boundAddr,
  failedAddr,
  negAddr,
  pendingAddr,
  sameAddr,
} from '../../src/naming/addr.ts';

const at = (ip: string, port: number, weight = 1): Address => ({ ip, port, meta: { endpoint_addr_weight: weight } });

test('sets of addresses are the same whatever their order', () => {
  const [a, b] = [at('10.0.0.1', 1), at('10.0.0.1', 2)];
  assert.ok(sameAddr(boundAddr([a, b]), boundAddr([{ ...b }, { ...a }])));
});

test('another address, weight or metadata makes another set', () => {
  const set = boundAddr([at('10.0.0.1', 1)], { authority: 'a' });
  const others: Addr[] = [
    boundAddr([at('10.0.0.2', 1)], { authority: 'a' }),
    boundAddr([at('10.0.0.1', 1, 2)], { authority: 'a' }),
    boundAddr([at('10.0.0.1', 1)], { authority: 'b' }),
    boundAddr([], { authority: 'a' }),
    pendingAddr,
    negAddr,
    failedAddr(new Error('a')),
  ];
  for (const other of others) assert.ok(!sameAddr(set, other) && !sameAddr(other, set));
});

test('failures are the same when their messages are', () => {
  assert.ok(sameAddr(failedAddr(new Error('a')), failedAddr(new Error('a'))));
  assert.ok(!sameAddr(failedAddr(new Error('a')), failedAddr(new Error('b'))));
  assert.ok(sameAddr(pendingAddr, { state: 'pending' }) && !sameAddr(pendingAddr, negAddr));
});
