/**
 * Node's spec reporter with the counts moved to the very end, behind the failures' details.
 *
 * Whoever reads the last lines of a run, a person or a program, sees how many tests ran, passed and failed.
 */
import { Readable } from 'node:stream';
import type { TestEvent } from 'node:test/reporters';
import { spec } from 'node:test/reporters';

const counts = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) \d/;

export default async function* summaryLast(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const summary: string[] = [];
  async function* withoutCounts(): AsyncGenerator<TestEvent> {
    for await (const event of source) {
      if (event.type === 'test:diagnostic' && event.data.nesting === 0 && counts.test(event.data.message)) {
        summary.push(event.data.message);
      } else yield event;
    }
  }
  for await (const chunk of Readable.from(withoutCounts()).compose(new spec())) yield String(chunk);
  yield `\n${summary.map(line => `ℹ ${line}\n`).join('')}`;
}
