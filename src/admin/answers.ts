/** Error answers of the admin API: `{"error":{"code","message"}}` with the status of the table. */
import type { FastifyError } from 'fastify';
import { LinkerdTcpError } from '../errors.ts';
import type { Log } from '../log.ts';

export interface ErrorAnswer {
  readonly status: number;
  readonly body: { readonly error: { readonly code: string; readonly message: string } };
}

export const errorAnswer = (error: LinkerdTcpError, status: number = statusOf(error)): ErrorAnswer => ({
  status,
  body: { error: { code: error.code, message: error.message } },
});

/** The answer to anything thrown. An unexpected error is logged, and the client gets no details. */
export function answerThrown(thrown: unknown, request: string, log: Log): ErrorAnswer {
  if (thrown instanceof LinkerdTcpError) {
    return errorAnswer(thrown);
  }
  const { statusCode, message } = thrown as Partial<FastifyError>;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return errorAnswer(new LinkerdTcpError('REQUEST_INVALID', { reason: message ?? 'invalid request' }), statusCode);
  }
  log.error('admin request failed', { request, reason: thrown });
  return errorAnswer(new LinkerdTcpError('INTERNAL'));
}

/** A name that cannot be resolved is a fault behind this program: a bad gateway. */
const statusOf = (error: LinkerdTcpError): number => error.row.status ?? (error.row.side === 'naming' ? 502 : 500);
