/**
 * Node's spec reporter for one of the suite's processes: it prints the tests as they end, and keeps the failures' details and
 * the counts in a file, so that the runner can print them once, behind those of every process.
 *
 * The runner names the file in TEST_RESULTS. A process that ends without writing it has crashed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Readable } from 'node:stream';
import type { TestEvent } from 'node:test/reporters';
import { spec } from 'node:test/reporters';
import { stripVTControlCharacters } from 'node:util';
import { type Counts, noCounts, type Results } from './results.ts';
import type { Timing } from './timings.ts';

const countLine = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) \d/;

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let counts: Counts = noCounts;
  let failures = '';
  const clock = new FileClock();
  async function* withoutCounts(): AsyncGenerator<TestEvent> {
    for await (const event of source) {
      if (event.type === 'test:complete' && event.data.nesting === 0) clock.charge(event.data.file);
      if (event.type === 'test:summary' && event.data.file === undefined) counts = countsOf(event.data.counts);
      if (event.type !== 'test:diagnostic' || event.data.nesting > 0 || !countLine.test(event.data.message))
        yield event;
    }
  }
  for await (const chunk of Readable.from(withoutCounts()).compose(new spec())) {
    const text = String(chunk);
    if (stripVTControlCharacters(text).startsWith('\n✖ failing tests:'))
      failures = text.slice(text.indexOf('\n', 1) + 1);
    else yield text;
  }
  const file = process.env['TEST_RESULTS'];
  const results: Results = { counts, failures, timings: clock.timings };
  if (file !== undefined) writeFileSync(file, JSON.stringify(results));
}

/**
 * The files of a process run one after the other, so the time until a test ends is charged to the test's file. Where a test is
 * declared in a module that several test files share, only a process with a single test file can tell.
 */
class FileClock {
  readonly timings: Record<string, Timing> = {};
  readonly #files = process.argv.filter(argument => argument.includes('.test.'));
  #seconds = 0;
  #cpuSeconds = 0;

  charge(path = ''): void {
    const file = (this.#files.length === 1 && this.#files[0]) || relative(process.cwd(), path);
    const [now, cpuNow] = [process.uptime(), cpuSeconds()];
    const { seconds, cpuSeconds: cpu } = this.timings[file] ?? { seconds: 0, cpuSeconds: 0 };
    this.timings[file] = { seconds: seconds + now - this.#seconds, cpuSeconds: cpu + cpuNow - this.#cpuSeconds };
    this.#seconds = now;
    this.#cpuSeconds = cpuNow;
  }
}

function countsOf(counts: Readonly<Record<string, number>>): Counts {
  const { tests = 0, suites = 0, passed = 0, failed = 0, cancelled = 0, skipped = 0, todo = 0 } = counts;
  return { tests, suites, pass: passed, fail: failed, cancelled, skipped, todo };
}

/** Of this process and of those it started and waited for; Linux alone tells. */
function cpuSeconds(): number {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const ticksPerSecond = 100;
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}
