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
  /** Closes and opens again the files that logs are written to, for rotation. */
  reopenLogs(): Promise<void>;
  /** Ends at once. */
  abort(): void;
}
