/** Whether a program can serve, and the conditions it still waits for. */
export interface Readiness {
  readonly ready: boolean;
  /** The missing conditions, for people to read. */
  readonly waitingFor: readonly string[];
}
