/** Warnings of certificates that are about to expire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiryWarnings } from '../../src/tls/expiry.ts';

const day = 86_400_000;
const notAfter = Date.UTC(2027, 0, 1);
const certificate = {
  what: 'the certificate a.test in a.pem',
  notAfter,
  fingerprint: 'AA',
  effect: 'it is refused',
  isLong: true,
};

function warnings() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const say = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log = { info: say('info'), warn: say('warn'), error: say('error') };
  const expiry = new ExpiryWarnings(log, () => clock.now);
  const left = (ms: number, all = [certificate]): string[] => {
    clock.now = notAfter - ms;
    expiry.check(all);
    return lines.splice(0);
  };
  return left;
}

test('each of 30, 14, 7, 3 and 1 days before is told once, and then that it is over', () => {
  const left = warnings();
  const told = Array.from({ length: 40 * 24 + 5 }, (_, hour) => left((40 * 24 - hour) * 3_600_000)).flat();
  assert.deepEqual(told, [
    ...[30, 14, 7, 3].map(days => `warn the certificate a.test in a.pem expires in ${days} days`),
    'warn the certificate a.test in a.pem expires in 1 day',
    'error the certificate a.test in a.pem has expired: it is refused',
  ]);
});

test('a start shortly before tells once, with the time that is left', () => {
  const left = warnings();
  assert.deepEqual(left(2.5 * day), ['warn the certificate a.test in a.pem expires in 2 days']);
  assert.deepEqual(left(2 * day), []);
  assert.deepEqual(left(0.5 * day), ['warn the certificate a.test in a.pem expires in 12 hours']);
});

test('one that is renewed is told of anew, one used twice is told of once', () => {
  const left = warnings();
  assert.equal(left(day, [certificate, certificate]).length, 1);
  assert.deepEqual(left(day, [{ ...certificate, fingerprint: 'BB', notAfter: notAfter + 90 * day }]), []);
  assert.equal(left(day, [{ ...certificate, fingerprint: 'CC' }]).length, 1);
});

test('what is renewed every few days is told of only when it is over', () => {
  const left = warnings();
  const list = [{ ...certificate, what: 'the revocation list in a.crl', isLong: false }];
  assert.deepEqual(left(day, list), []);
  assert.deepEqual(left(0, list), ['error the revocation list in a.crl has expired: it is refused']);
  assert.deepEqual(left(-day, list), []);
});

// 30 swaps were 30 lines.
test('a certificate that is swapped for one with as few days left, or used again after a pause, is reported once', () => {
  const left = warnings();
  assert.equal(left(19 * day).length, 1);
  for (let i = 0; i < 30; i++) assert.deepEqual(left(19 * day, [{ ...certificate, fingerprint: `swap ${i}` }]), []);
  assert.deepEqual(left(19 * day, []), []);
  assert.deepEqual(left(19 * day), []);
  assert.equal(left(14 * day).length, 1);
});

test('a renewed certificate is reported again when it comes to its end', () => {
  const left = warnings();
  assert.equal(left(2 * day).length, 1);
  const renewed = [{ ...certificate, fingerprint: 'BB', notAfter: notAfter + 90 * day }];
  assert.deepEqual(left(2 * day, renewed), []);
  assert.equal(left(2 * day - 90 * day, renewed).length, 1);
});

test('a clock that jumps over the end says so once, and going back says nothing again', () => {
  const left = warnings();
  assert.deepEqual(left(40 * day), []);
  assert.deepEqual(left(-1), ['error the certificate a.test in a.pem has expired: it is refused']);
  assert.deepEqual(left(2 * day), []);
  assert.deepEqual(left(-2), []);
});
