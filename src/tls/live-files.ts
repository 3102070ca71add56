/**
 * Files that belong together, followed: whenever they change they are read again, and what is good takes the place of what was
 * before; what is not is said once, and what was before stays.
 *
 * Files are not written all at once: they are read once they have not changed for a moment. Files that are bad then are read
 * again a little later before the log reports them: a key may come after its certificate.
 */
import type { Subscription } from 'rxjs';
import { watchFile } from '../live/watch-file.ts';
import type { Log } from '../log.ts';
import { type FileProblem, mostFileBytes, Reading } from './reading.ts';

/** Times the settling time. */
const patience = 5;

export interface LiveFilesOptions<T> {
  /** Their purpose, in a message: `the certificate in /etc/tls/www.pem`. */
  readonly what: string;
  readonly files: readonly string[];
  /** Undefined: the reading has problems. */
  readonly read: (reading: Reading) => T | undefined;
  readonly log: Log;
  readonly settleMs: number;
}

export class LiveFiles<T> {
  /** Of the first reading; without any there is a {@link value}. */
  readonly problems: readonly FileProblem[];
  readonly #options: LiveFilesOptions<T>;
  readonly #subscriptions: Subscription[] = [];
  #settling: NodeJS.Timeout | undefined;
  #value: T | undefined;
  #warnings: readonly string[];
  /** Of what was read last, good or not. */
  #digest: string;
  #isGood: boolean;
  #changed: () => void = () => {};

  constructor(options: LiveFilesOptions<T>) {
    this.#options = options;
    const reading = new Reading();
    this.#value = options.read(reading);
    this.problems = reading.problems;
    this.#warnings = reading.warnings;
    this.#digest = reading.digest();
    this.#isGood = this.#value !== undefined;
  }

  /** The last good one. */
  get value(): T {
    if (this.#value === undefined) throw new Error(`${this.#options.what} was never read`);
    return this.#value;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** From now on `changed` is called after each good change. Nothing of this keeps the process alive. */
  follow(changed: () => void): void {
    this.#changed = changed;
    for (const file of new Set(this.#options.files))
      this.#subscriptions.push(watchFile(file, { maxBytes: mostFileBytes }).subscribe(() => this.#notice()));
  }

  /** Reads them now. */
  refresh(): void {
    const reading = new Reading();
    this.#take(reading, this.#options.read(reading));
  }

  #look(): void {
    const { read, settleMs } = this.#options;
    const reading = new Reading();
    const value = read(reading);
    if (value !== undefined) this.#take(reading, value);
    else this.#settling = setTimeout(() => this.refresh(), settleMs * patience).unref();
  }

  #take(reading: Reading, value: T | undefined): void {
    const { what, log } = this.#options;
    const digest = reading.digest();
    if (digest === this.#digest) return;
    this.#digest = digest;
    if (value === undefined) {
      this.#isGood = false;
      const reason = reading.problems.map(({ message }) => message).join('; ');
      log.error(`${what} changed and cannot be used; the previous content stays in effect`, { reason });
      return;
    }
    this.#value = value;
    this.#warnings = reading.warnings;
    log.info(
      this.#isGood
        ? `${what} changed; new handshakes use the new content`
        : `${what} recovered; new handshakes use the new content`,
    );
    this.#isGood = true;
    for (const warning of reading.warnings) log.warn(warning);
    this.#changed();
  }

  close(): void {
    clearTimeout(this.#settling);
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #notice(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#look(), this.#options.settleMs).unref();
  }
}
