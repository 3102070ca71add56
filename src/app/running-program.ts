/** A program that runs, as whoever started it sees it. */
import type { Outcome } from './outcome.ts';

export interface RunningProgram {
  /** Resolves when all is over. */
  readonly done: Promise<Outcome>;
  /** Whether it has been told to stop. */
  readonly stopping: boolean;
  /** `ip:port` */
  readonly adminAddress: string;
  /** Drains and ends; further calls change nothing. */
  shutdown(reason: string): void;
  /** Ends at once. */
  abort(): void;
}
