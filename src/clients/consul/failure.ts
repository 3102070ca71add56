/** What can go wrong with a request to Consul, and whether it may have had an effect all the same. */
import { networkReason } from '../../errors.ts';

export class ConsulFailure extends Error {
  /** The token has not the right, or is not known. */
  readonly isForbidden: boolean;
  /** Whether it is certain that the request had no effect. */
  readonly isWithoutEffect: boolean;

  constructor(message: string, kind: { readonly isForbidden?: boolean; readonly isWithoutEffect?: boolean } = {}) {
    super(message);
    this.isForbidden = kind.isForbidden ?? false;
    this.isWithoutEffect = kind.isWithoutEffect ?? false;
  }
}

const shownBody = 300;

/** Said before anything is given to the log of the cluster. */
const beforeAnything = /no cluster leader|no path to datacenter|acl not found|permission denied/i;

/** An answer with a status that is none. */
export function refusal(status: number, text: string): ConsulFailure {
  const said = text.slice(0, shownBody).replace(/\s+/g, ' ').trim();
  const isForbidden = status === 401 || status === 403;
  return new ConsulFailure(`it answered ${status}${said === '' ? '' : `: ${said}`}`, {
    isForbidden,
    isWithoutEffect: (status >= 400 && status < 500) || beforeAnything.test(said),
  });
}

/** The connection did not come to be, or broke. */
export const networkFailure = (error: unknown): ConsulFailure =>
  new ConsulFailure(`it cannot be reached: ${networkReason(error)}`, { isWithoutEffect: isBeforeSending(error) });

/** Codes of a connection that did not come to be. */
const connecting =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|EPROTO|UND_ERR_CONNECT_TIMEOUT|ERR_(TLS|SSL)_\w+)$|CERT|SIGNATURE/;

function isBeforeSending(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isBeforeSending);
  return connecting.test((error as NodeJS.ErrnoException | null)?.code ?? '');
}
