/** Error answers of the API: the status of the table, and the message as plain text. */
import { type ErrorCode, LinkerdTcpError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Answer } from './exchange.ts';
import { KnownFailure } from './first-known.ts';

/** An unexpected error is logged, and the client gets no details. */
export function failureAnswer(thrown: unknown, request: string, log: Log): Answer {
  if (thrown instanceof KnownFailure)
    return thrown.cause instanceof LinkerdTcpError
      ? failureAnswer(thrown.cause, request, log)
      : textAnswer(500, thrown.message);
  if (thrown instanceof LinkerdTcpError) {
    const answer = textAnswer(thrown.row.status ?? 500, thrown.message);
    return { ...answer, headers: { ...answer.headers, ...headersOf(thrown) } };
  }
  const { statusCode, message } = thrown as { readonly statusCode?: number; readonly message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return textAnswer(statusCode, message ?? 'invalid request');
  log.error('a request to the API failed', { request, reason: thrown });
  return textAnswer(500, new LinkerdTcpError('INTERNAL').message);
}

function headersOf({ code, details }: LinkerdTcpError): Readonly<Record<string, string>> {
  const challenge = challenges[code];
  if (challenge !== undefined) return { 'www-authenticate': `Bearer realm="namerd"${challenge}` };
  return code === 'METHOD_NOT_ALLOWED' ? { allow: String(details['allowed']) } : {};
}

/** The parameters after the realm (RFC 6750, section 3). */
const challenges: Partial<Record<ErrorCode, string>> = {
  TOKEN_MISSING: '',
  TOKEN_UNKNOWN: ', error="invalid_token"',
  RIGHT_MISSING: ', error="insufficient_scope"',
};

const textAnswer = (status: number, body: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});
