/** A refusal of a Kubernetes API server: a Status object, or the text of a proxy before it. */
import { excerptOf } from '../http/excerpt.ts';
import { outcomeOfStatus, RequestFailure } from '../outcome.ts';

export interface StatusDetails {
  readonly name?: string;
  /** Plural name of the resource that `name` is one of. */
  readonly kind?: string;
}

export class ApiError extends RequestFailure {
  readonly status: number;
  /** One word for programs, such as `AlreadyExists`; empty without a Status object. */
  readonly reason: string;
  readonly details: StatusDetails;

  /** The server says when to try again. */
  readonly isTemporary: boolean;

  constructor(status: number, body: unknown, { isRead = false, isTemporary = false } = {}) {
    const { message, reason, details } = (isStatus(body) ? body : {}) as Partial<Record<string, unknown>>;
    const said = typeof message === 'string' && message !== '' ? message : shown(body);
    super(`it answered ${status}: ${said}`, isRead ? 'none' : outcomeOfStatus(status));
    this.name = 'ApiError';
    this.status = status;
    this.isTemporary = isTemporary;
    this.reason = typeof reason === 'string' ? reason : '';
    this.details = typeof details === 'object' && details !== null ? details : {};
  }
}

const isStatus = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status';

const shown = (body: unknown): string =>
  excerptOf(typeof body === 'string' ? body : JSON.stringify(body)) || 'no reason given';
