/** Why a request to Consul failed, and whether it may have had an effect. */
import { reasonOf } from '../../errors.ts';
import { HttpFailure } from '../http/failure.ts';
import { type Outcome, outcomeOf, outcomeOfStatus, RequestFailure } from '../outcome.ts';

interface FailureKind {
  readonly isForbidden?: boolean;
  readonly outcome?: Outcome;
  /** Of an answer that refused the request. */
  readonly status?: number;
}

export class ConsulFailure extends RequestFailure {
  /** The token is unknown or lacks the right. */
  readonly isForbidden: boolean;
  /** Of an answer that refused the request. */
  readonly status: number | undefined;

  constructor(message: string, kind: FailureKind = {}) {
    super(message, kind.outcome ?? 'unknown');
    this.status = kind.status;
    this.isForbidden = kind.isForbidden ?? false;
  }
}

/** Reported before anything reaches the log of the cluster. */
const beforeAnything = /no cluster leader|no path to datacenter|acl not found|permission denied/i;

/** @param said by the server, as an excerpt */
export function refusal(status: number, said: string): ConsulFailure {
  return new ConsulFailure(`it answered ${status}${said === '' ? '' : `: ${said}`}`, {
    isForbidden: status === 401 || status === 403,
    status,
    outcome: beforeAnything.test(said) ? 'none' : outcomeOfStatus(status),
  });
}

export function withoutAnswer(error: unknown): ConsulFailure {
  const isNetwork = error instanceof HttpFailure && (error.kind === 'connect' || error.kind === 'cut');
  const reason = reasonOf(error);
  return new ConsulFailure(isNetwork ? `it cannot be reached: ${reason}` : reason, { outcome: outcomeOf(error) });
}
