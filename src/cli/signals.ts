/**
 * Signals of a program, from its start on: SIGTERM and SIGINT stop it gracefully, the next one at once; SIGHUP reloads.
 *
 * `npm start` passes a Ctrl-C on to a process that the terminal has told already: under npm, a SIGINT that follows another within
 * half a second is the same key press.
 */

export interface Signalled {
  /** Whether it has been told to stop, by whatever way. */
  readonly stopping: boolean;
  shutdown(reason: string): void;
  abort(): void;
  /** Says itself why it fails. */
  reload(): Promise<void>;
}

interface SignalSource {
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
}

export interface SignalOptions {
  readonly signals?: SignalSource;
  readonly now?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const samePressMs = 500;

/** @returns what stops following */
export function followSignals(program: Signalled, options: SignalOptions = {}): () => void {
  const { signals = process, now = () => performance.now(), env = process.env } = options;
  const isUnderNpm = env['npm_lifecycle_event'] !== undefined;
  let interruptedAt = Number.NEGATIVE_INFINITY;
  const stop = (signal: string) => {
    if (program.stopping) program.abort();
    else program.shutdown(signal);
  };
  const interrupt = () => {
    const isSamePress = isUnderNpm && now() - interruptedAt < samePressMs;
    interruptedAt = now();
    if (!isSamePress) stop('SIGINT');
  };
  const reload = () => {
    // The program has logged why.
    program.reload().catch(() => {});
  };
  const listeners = { SIGTERM: () => stop('SIGTERM'), SIGINT: interrupt, SIGHUP: reload };
  for (const [signal, listener] of Object.entries(listeners)) signals.on(signal, listener);
  return () => {
    for (const [signal, listener] of Object.entries(listeners)) signals.off(signal, listener);
  };
}
