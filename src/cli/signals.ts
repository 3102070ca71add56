/**
 * The effect of signals on linkerd-tcp and namerd, from the start of the process.
 *
 *   signal                        | effect
 *   ------------------------------+--------------------------------------------------------------------------------------
 *   SIGTERM, SIGINT, SIGQUIT      | stop gracefully; a second one stops at once
 *   SIGHUP                        | reload the configuration
 *   SIGUSR1                       | reopen log files
 *   SIGUSR2, SIGALRM, SIGVTALRM,  | nothing but a warning: the system's default would end the process with all its
 *   SIGIO, SIGPWR                 | connections
 *   any other                     | the system's default
 *
 * When `npm start` runs in a terminal, one Ctrl-C arrives twice: from the terminal and again from npm. Under npm, a SIGINT within
 * half a second of another is therefore the same key press.
 */

export interface Signalled {
  /** Whether it is stopping, for whatever reason. */
  readonly stopping: boolean;
  shutdown(reason: string): void;
  abort(): void;
  /** Logs its own failure. */
  reload(): Promise<void>;
  /** Logs its own failure. */
  reopenLogs(): Promise<void>;
}

interface SignalSource {
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
}

export interface SignalOptions {
  readonly warn: (text: string) => void;
  readonly signals?: SignalSource;
  readonly now?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const samePressMs = 500;
const ignored = ['SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR'] as const;

/** @returns a function that removes the listeners */
export function followSignals(program: Signalled, options: SignalOptions): () => void {
  const { warn, signals = process, now = () => performance.now(), env = process.env } = options;
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
  const listeners = new Map<string, () => void>([
    ['SIGTERM', () => stop('SIGTERM')],
    ['SIGQUIT', () => stop('SIGQUIT')],
    ['SIGINT', interrupt],
    ['SIGHUP', () => void program.reload().catch(() => {})],
    ['SIGUSR1', () => void program.reopenLogs().catch(() => {})],
    ...ignored.map(signal => [signal, () => warn(`${signal} ignored; ${instead}`)] as const),
  ]);
  for (const [signal, listener] of listeners) signals.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) signals.off(signal, listener);
  };
}

const instead = 'send SIGHUP to reload the configuration, SIGUSR1 to reopen log files, SIGTERM to stop';
