/** The output of perf is summed by the owner of the code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { profileOf, shareOf } from '../../bench/shares.ts';

const report = `
# Samples: 7K of event 'cpu-clock:ppp'
# Overhead  Symbol
     1.49%  [.] JS:*'write file:///srv/linkerd-tcp/src/io/native/uring-driver.ts:164:8       -      -
     8.61%  [k] _raw_spin_unlock_irqrestore                                                 -      -
     0.71%  [.] JS:*'convertFastArg node:internal/ffi/fast-api:225:24
     0.23%  [.] Builtins_AtomicsStore
`;

test('kernel, JavaScript and the rest are separated, largest first', () => {
  const profile = profileOf(report);
  assert.deepEqual(profile.shares, [
    { kind: 'kernel', symbol: '_raw_spin_unlock_irqrestore', share: 8.61 },
    { kind: 'javascript', symbol: 'write (uring-driver.ts)', share: 1.49 },
    { kind: 'javascript', symbol: 'convertFastArg (fast-api)', share: 0.71 },
    { kind: 'native', symbol: 'Builtins_AtomicsStore', share: 0.23 },
  ]);
  assert.equal(shareOf(profile, 'javascript').toFixed(2), '2.20');
});
