/**
 * Lines for the log about what clients and endpoints can cause at any rate: for each subject one line at once, then at most one in
 * ten seconds, which says how many were like it meanwhile.
 *
 * The number of subjects is bounded: those beyond it share one.
 */
import type { WorkerContext } from './context.ts';

const everyMs = 10_000;
const maxSubjects = 32;

interface Subject {
  writtenAt: number;
  suppressed: number;
}

export class LimitedNotices {
  readonly #now: () => number;
  readonly #notice: WorkerContext['notice'];
  readonly #subjects = new Map<string, Subject>();

  constructor(now: () => number, notice: WorkerContext['notice']) {
    this.#now = now;
    this.#notice = notice;
  }

  write(key: string, level: 'info' | 'warn', text: () => string): void {
    const now = this.#now();
    const subject = this.#subjectOf(key);
    if (now - subject.writtenAt < everyMs) {
      subject.suppressed++;
      return;
    }
    const more = subject.suppressed > 0 ? ` (${subject.suppressed} more since the last line)` : '';
    subject.writtenAt = now;
    subject.suppressed = 0;
    this.#notice(level, text() + more);
  }

  #subjectOf(key: string): Subject {
    const known = this.#subjects.get(key);
    if (known) return known;
    if (this.#subjects.size >= maxSubjects) this.#forgetQuiet();
    const isFull = this.#subjects.size >= maxSubjects && key !== overflow;
    if (isFull) return this.#subjectOf(overflow);
    const subject = { writtenAt: Number.NEGATIVE_INFINITY, suppressed: 0 };
    this.#subjects.set(key, subject);
    return subject;
  }

  #forgetQuiet(): void {
    const now = this.#now();
    for (const [key, { writtenAt }] of this.#subjects) if (now - writtenAt >= everyMs) this.#subjects.delete(key);
  }
}

const overflow = 'all others';
