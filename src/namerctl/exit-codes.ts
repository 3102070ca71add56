/** How namerctl ends. Numbers follow sysexits(3); help, documentation and every thrown error take theirs from this table. */
import { type ErrorCode, LinkerdTcpError } from '../errors.ts';

interface Row {
  readonly code: number;
  readonly text: string;
  readonly errors: readonly ErrorCode[];
}

export const exitCodes = {
  ok: { code: 0, text: 'done', errors: [] },
  refused: {
    code: 1,
    text: 'refused by namerd: no such namespace, already exists, has changed; or a name does not resolve',
    errors: [
      'NAMERD_REFUSED',
      'NAMERD_MISSING',
      'NAMERD_EXISTS',
      'NAMERD_CONFLICT',
      'NAMERD_NO_HISTORY',
      'NAME_UNBOUND',
      'SPLIT_IMPOSSIBLE',
      'EDIT_ABANDONED',
      'EDITOR_FAILED',
    ],
  },
  usage: { code: 64, text: 'wrong use of the command line', errors: ['USAGE_INVALID', 'BASE_URL_INVALID'] },
  input: {
    code: 66,
    text: 'a dtab file cannot be read, or is not a dtab',
    errors: ['INPUT_UNREADABLE', 'INPUT_INVALID'],
  },
  unreachable: {
    code: 69,
    text: 'namerd cannot be reached in time, or fails (5xx)',
    errors: ['NAMERD_UNREACHABLE', 'NAMERD_STATUS'],
  },
  internal: { code: 70, text: 'internal error, or no suitable Node.js', errors: [] },
  output: { code: 74, text: 'the output cannot be written', errors: ['OUTPUT_FAILED'] },
  protocol: { code: 76, text: 'the server is not namerd', errors: ['NAMERD_ANSWER'] },
  denied: {
    code: 77,
    text: 'namerd does not accept the credentials (401), or does not allow the request (403)',
    errors: ['NAMERD_UNAUTHORIZED', 'NAMERD_FORBIDDEN'],
  },
  config: {
    code: 78,
    text: 'the configuration file, or a token or certificate, cannot be used',
    errors: ['CONFIG_INVALID', 'CONFIG_UNREADABLE', 'TOKEN_UNUSABLE', 'TLS_UNUSABLE'],
  },
} as const satisfies Record<string, Row>;

/** For the help text: one line each. */
export const exitCodesHelp = (): string =>
  Object.values(exitCodes)
    .map(({ code, text }) => `  ${String(code).padStart(2)}  ${text}`)
    .join('\n');

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof LinkerdTcpError)) return exitCodes.internal.code;
  // The cause of an abandoned edit decides.
  if (error.code === 'EDIT_ABANDONED' && error.cause instanceof LinkerdTcpError) return exitCodeOf(error.cause);
  const row = Object.values<Row>(exitCodes).find(({ errors }) => errors.includes(error.code));
  return (row ?? exitCodes.internal).code;
}
