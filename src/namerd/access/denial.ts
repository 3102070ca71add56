/** Requests refused for lack of a token or a right, for the log and the metrics. */
import { LinkerdTcpError } from '../../errors.ts';

export const denialReasons = ['no_token', 'unknown_token', 'read', 'write'] as const;

interface Refusal {
  readonly reason: (typeof denialReasons)[number];
  /** The name of the token; absent without a known one. */
  readonly token?: string;
  readonly message: string;
}

export interface Denial extends Refusal {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  /** Of the client. */
  readonly ip: string;
}

/** Undefined for any other error. */
export function denialOf(error: unknown): Refusal | undefined {
  if (!(error instanceof LinkerdTcpError)) return undefined;
  const { code, message, details } = error;
  switch (code) {
    case 'TOKEN_MISSING':
      return { reason: 'no_token', message };
    case 'TOKEN_UNKNOWN':
      return { reason: 'unknown_token', message };
    case 'RIGHT_MISSING':
      return { reason: details['right'] === 'write' ? 'write' : 'read', token: String(details['token']), message };
    default:
      return undefined;
  }
}
