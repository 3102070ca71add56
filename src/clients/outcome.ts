/**
 * Whether a request that failed may have taken effect.
 *
 * A failure says so itself, because only the code that made the request knows how far it got. Anything else that is thrown
 * counts as `unknown`: a write is reported as undone only when that is certain.
 */

/** `none`: the server certainly did not carry out the request. `unknown`: it may have, or may still do so. */
export type Outcome = 'none' | 'unknown';

/** The base class of what the clients of other servers throw. */
export class RequestFailure extends Error {
  readonly outcome: Outcome;

  constructor(message: string, outcome: Outcome, options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

export const outcomeOf = (error: unknown): Outcome => (error instanceof RequestFailure ? error.outcome : 'unknown');

/** Statuses below 500 refuse the request before it is carried out; a proxy answers 408 while its server is still working. */
export const outcomeOfStatus = (status: number): Outcome =>
  status >= 400 && status < 500 && status !== 408 ? 'none' : 'unknown';
