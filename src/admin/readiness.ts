/** Whether a program can serve, and what it still waits for. */
export interface Readiness {
  readonly ready: boolean;
  /** What is not there yet, in words. */
  readonly waitingFor: readonly string[];
}
