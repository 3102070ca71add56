/** Failures of calls to etcd: which of them another member may avoid, and whether a write may have taken effect. */
import { reasonOf } from '../../errors.ts';
import { outcomeOf, RequestFailure } from '../outcome.ts';

/** The status codes of gRPC that are handled here. */
export const status = {
  /** Not of gRPC: the call was not sent, or the server refused it unseen. */
  unseen: -1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Answers to the request itself: every member would say the same. */
const answers: ReadonlySet<number> = new Set([
  status.invalidArgument,
  status.notFound,
  status.alreadyExists,
  status.permissionDenied,
  status.unauthenticated,
  status.failedPrecondition,
  status.outOfRange,
  status.resourceExhausted,
]);

export class CallFailure extends RequestFailure {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    const isUndone = code === status.unseen || answers.has(code) || message === 'etcdserver: no leader';
    super(message, isUndone ? 'none' : 'unknown', options);
    this.code = code;
  }
}

export const late = (): CallFailure => new CallFailure(status.deadlineExceeded, 'it has not answered in time');

/** Another member may do better. */
export const isMembersFault = (error: unknown): boolean => error instanceof CallFailure && !answers.has(error.code);

export function isForbidden(error: unknown): boolean {
  if (!(error instanceof CallFailure)) return false;
  if (error.code === status.permissionDenied || error.code === status.unauthenticated) return true;
  return error.code === status.invalidArgument && /authentication failed|user name/.test(error.message);
}

/** The token has expired, its member has forgotten it, or authentication was turned on or changed since. */
export const isTokensFault = (error: unknown): boolean =>
  error instanceof CallFailure &&
  /invalid auth token|revision of auth store is old|revision in header is old|user name is empty/.test(error.message);

/** The request is longer than etcd (`--max-request-bytes`) or its gRPC server accepts. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof CallFailure && /request is too large|received message larger than max/.test(error.message);

export const isAuthOff = (error: unknown): boolean =>
  error instanceof CallFailure && /authentication is not enabled/.test(error.message);

/** The failure of a call whose login has failed: the call was never sent. */
export function loginFailure(error: unknown): CallFailure {
  const options = { cause: error };
  // No other member would do better.
  if (!(error instanceof CallFailure)) return new CallFailure(status.failedPrecondition, reasonOf(error), options);
  return outcomeOf(error) === 'none' ? error : new CallFailure(status.unseen, error.message, options);
}

/** For people. */
export function callReason(error: unknown, timeoutMs: number): string {
  const isLate = error instanceof CallFailure && error.code === status.deadlineExceeded;
  return isLate ? `no answer within ${timeoutMs} ms` : reasonOf(error);
}
