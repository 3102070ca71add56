/**
 * The long form of test/e2e/reload.test.ts: `npm run soak -- [minutes] [driver]`, ten by default, a reload every second.
 *
 * Ends with exit code 0 when there was no error and memory stayed flat, else with what went wrong.
 */

import { driverKinds } from '../src/io/drivers/choose-driver.ts';
import { withScope } from '../test/support/scope.ts';
import { growthBytes, mebibytes, soak } from '../test/support/soak.ts';

const minutes = Number(process.argv[2] ?? 10);
const driver = driverKinds.find(kind => kind === process.argv[3]);
if (!(minutes > 0) || (process.argv[3] !== undefined && driver === undefined)) {
  console.error('usage: npm run soak -- [minutes] [uring|epoll|portable]');
  process.exit(2);
}
const allowedGrowthBytes = 8 * 2 ** 20;

const { runs, reloads, residentBytes, heapGrowthBytes } = await withScope(scope =>
  soak(scope, { driver, seconds: minutes * 60, reloadEveryMs: 1000, report: line => console.log(line) }),
);
const growth = growthBytes(residentBytes);
console.log(`${runs} runs, ${reloads} reloads in ${minutes} minutes, no error`);
console.log(`grown: resident memory ${mebibytes(growth)} MiB, live heap ${mebibytes(heapGrowthBytes)} MiB`);
if (Math.max(growth, heapGrowthBytes) > allowedGrowthBytes) {
  console.error(`more than ${mebibytes(allowedGrowthBytes)} MiB: not flat`);
  process.exitCode = 1;
}
