/** What a Kubernetes API server answers in place of what it was asked for: a Status object, or text of whatever stands before it. */

export interface StatusDetails {
  readonly name?: string;
  /** Plural name of the resource that `name` is one of. */
  readonly kind?: string;
}

export class ApiError extends Error {
  readonly status: number;
  /** One word for programs, such as `AlreadyExists`; empty where there is no Status object. */
  readonly reason: string;
  readonly details: StatusDetails;
  /** For how long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, body: unknown, retryAfterMs?: number) {
    const { message, reason, details } = (isStatus(body) ? body : {}) as Partial<Record<string, unknown>>;
    super(`it answered ${status}: ${typeof message === 'string' && message !== '' ? message : shown(body)}`);
    this.name = 'ApiError';
    this.status = status;
    this.reason = typeof reason === 'string' ? reason : '';
    this.details = typeof details === 'object' && details !== null ? details : {};
    this.retryAfterMs = retryAfterMs;
  }
}

const isStatus = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status';

const shownText = 300;

function shown(body: unknown): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return text.slice(0, shownText).replace(/\s+/g, ' ').trim() || 'nothing more';
}
