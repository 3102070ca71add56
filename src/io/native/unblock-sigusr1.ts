/** Makes SIGUSR1 arrive where Node blocks it; see kernel/signal-mask.ts. */

/** Call it once a listener for SIGUSR1 is installed. Where the system or Node has no way to unblock, the signal stays ignored. */
export async function unblockSigusr1(): Promise<void> {
  if (process.platform !== 'linux') return;
  try {
    (await import('./kernel/signal-mask.ts')).unblockSigusr1();
  } catch {
    // No node:ffi in this process: SIGHUP also reopens the access log.
  }
}
