/** The benchmark's readings of /proc. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuSecondsOf, ownBytesOf } from '../../bench/process-cost.ts';

test('CPU time is user and system time in hundredths of a second, whatever the name of the program', () => {
  const rest = 'S 1 7 7 0 -1 4194560 100 0 0 0 250 125 0 0 20 0 11 0 1000 0 0';
  assert.equal(cpuSecondsOf(`7 (haproxy) ${rest}`), 3.75);
  assert.equal(cpuSecondsOf(`7 (a ) b (c) ${rest}`), 3.75);
});

test('memory of a process does not include file pages', () => {
  const rollup =
    'aa-bb ---p 00000000 00:00 0   [rollup]\nRss:  9000 kB\nPss:  5000 kB\nPss_Dirty: 1 kB\nPss_Anon:  3000 kB\nPss_File:  1500 kB\nPss_Shmem: 500 kB\n';
  assert.equal(ownBytesOf(rollup), 3500 * 1024);
});
