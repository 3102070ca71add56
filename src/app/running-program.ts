/** A running program, as its starter sees and controls it. */
import type { Outcome } from './outcome.ts';

export interface RunningProgram {
  /** Resolves when the program has ended. */
  readonly done: Promise<Outcome>;
  /** Whether it is stopping. */
  readonly stopping: boolean;
  /** `ip:port` */
  readonly adminAddress: string;
  /** Drains and ends; further calls have no effect. */
  shutdown(reason: string): void;
  /** Reopens log files, for rotation. */
  reopenLogs(): Promise<void>;
  /** Ends immediately. */
  abort(): void;
}
