/** Why an HTTP request got no answer. The meaning of a status is up to the protocol: it is never a failure here. */
import { networkReason } from '../../errors.ts';
import { type Outcome, RequestFailure } from '../outcome.ts';

export type HttpFailureKind =
  /** No connection was established, so nothing was sent. */
  | 'connect'
  /** This client was closed before the request was sent. */
  | 'closed'
  | 'timeout'
  /** The connection broke, or the caller aborted. */
  | 'cut'
  /** The answer is not HTTP. */
  | 'malformed'
  /** The answer is longer than the client accepts. */
  | 'tooLong';

const outcomes: Readonly<Record<HttpFailureKind, Outcome>> = {
  connect: 'none',
  closed: 'none',
  timeout: 'unknown',
  cut: 'unknown',
  malformed: 'unknown',
  tooLong: 'unknown',
};

export class HttpFailure extends RequestFailure {
  readonly kind: HttpFailureKind;
  /** Of the error underneath, e.g. `ECONNREFUSED`; '' where it has none. */
  readonly code: string;

  constructor(kind: HttpFailureKind, message: string, cause?: unknown) {
    super(message, outcomes[kind], { cause });
    this.kind = kind;
    this.code = codeOf(cause);
  }
}

export const connectFailure = (error: unknown): HttpFailure => new HttpFailure('connect', networkReason(error), error);

/** Classifies what undici throws. */
export function httpFailure(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const kind = (error as Error | null)?.name === 'HTTPParserError' ? 'malformed' : 'cut';
  return new HttpFailure(kind, networkReason(error), error);
}

function codeOf(error: unknown): string {
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const { code } = (first ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
