/**
 * The one table of errors: what failed, on which side, whether a retry may succeed, and the message for the operator.
 *
 * The log line, the metrics label, the HTTP status of the admin API and docs/reference/errors.md all are generated from its rows.
 */

/** Where the cause lies. `config` and `internal` never describe a single connection. */
export type Side = 'client' | 'upstream' | 'naming' | 'config' | 'internal';

interface Row {
  readonly side: Side;
  /** Whether trying again (elsewhere or later) can succeed. */
  readonly retryable: boolean;
  /** Status when the error is answered over HTTP. */
  readonly status?: number;
  /** Message; `{name}` is replaced by the detail of that name. */
  readonly text: string;
}

export const errors = {
  UPSTREAM_REFUSED: { side: 'upstream', retryable: true, text: 'connection to {endpoint} refused' },
  UPSTREAM_TIMEOUT: { side: 'upstream', retryable: true, text: 'no connection to {endpoint} within {timeout} ms' },
  UPSTREAM_TLS_FAILED: { side: 'upstream', retryable: true, text: 'TLS with {endpoint} failed: {reason}' },
  UPSTREAM_FAILED: { side: 'upstream', retryable: true, text: 'connection to {endpoint} failed: {reason}' },

  NAME_INVALID: { side: 'naming', retryable: false, status: 400, text: 'Invalid path: {path} / {reason}' },
  NAME_FAILED: { side: 'naming', retryable: true, status: 502, text: '{path} cannot be resolved: {reason}' },
  NAME_TOO_DEEP: {
    side: 'naming',
    retryable: false,
    status: 422,
    text: 'Max recursion level: {limit} reached in Namer lookup',
  },
  NAME_TOO_WIDE: {
    side: 'naming',
    retryable: false,
    status: 422,
    text: 'binding {path} takes more than {limit} lookups, or makes a tree that is too large; look for rules that multiply alternatives',
  },
  EXPLANATION_TOO_LARGE: {
    side: 'naming',
    retryable: false,
    status: 422,
    text: 'not explained further: it takes more than {lookups} lookups or {nodes} nodes; look for rules that multiply names',
  },
  ANSWER_TOO_LARGE: {
    side: 'naming',
    retryable: false,
    status: 422,
    text: '{what} would be larger than {limit} bytes; look for rules that repeat a name with many addresses',
  },
  NAMER_UNKNOWN: { side: 'naming', retryable: false, text: 'Unknown namer: {namer}' },
  NAMERD_STATUS: { side: 'naming', retryable: true, text: '{url} answered {status}: {body}' },
  NAMERD_UNREACHABLE: { side: 'naming', retryable: true, text: 'cannot reach {url}: {reason}' },
  NAMERD_DENIED: { side: 'naming', retryable: true, text: '{url} denied access with status {status}: {body}; {hint}' },
  NAMERD_ANSWER: { side: 'naming', retryable: true, text: '{url} sent an unexpected answer: {reason}' },

  DTAB_INVALID: { side: 'naming', retryable: false, status: 400, text: 'Invalid dtab: {reason}' },
  STORE_EXISTS: {
    side: 'naming',
    retryable: false,
    status: 409,
    text: 'namespace {namespace} already exists in {store}; update it, or delete it first',
  },
  STORE_MISSING: {
    side: 'naming',
    retryable: false,
    status: 404,
    text: 'namespace {namespace} does not exist in {store}; create it first',
  },
  STORE_CONFLICT: {
    side: 'naming',
    retryable: false,
    status: 412,
    text: 'namespace {namespace} has changed since you read it; read it again and retry',
  },
  NAMESPACE_EXISTS: {
    side: 'naming',
    retryable: false,
    status: 412,
    text: 'namespace {namespace} already exists, and If-None-Match: * allows only to create it',
  },
  STORE_FORBIDDEN: {
    side: 'naming',
    retryable: false,
    status: 403,
    text: '{store} does not allow namerd to {action}: {reason}; check the permissions of namerd there',
  },
  STORE_NAMESPACE_INVALID: {
    side: 'naming',
    retryable: false,
    status: 400,
    text: '{store} cannot store a namespace named {namespace}: {reason}; choose another name',
  },
  STORE_TOO_LARGE: {
    side: 'naming',
    retryable: false,
    status: 413,
    text: '{store} cannot store namespace {namespace}: {reason}; shorten the dtab, or divide it into several namespaces',
  },
  STORE_REJECTED: {
    side: 'naming',
    retryable: false,
    status: 400,
    text: '{store} rejected namespace {namespace}: {reason}; change the dtab, or the rule that rejects it',
  },
  STORE_UNAVAILABLE: {
    side: 'naming',
    retryable: true,
    status: 503,
    text: '{store}: cannot {action}: {reason}; {hint}',
  },
  STORE_UNREADABLE: {
    side: 'naming',
    retryable: false,
    status: 500,
    text: 'namespace {namespace} in {store} is not a valid dtab: {reason}; write it again to repair it',
  },
  HISTORY_NOT_KEPT: {
    side: 'naming',
    retryable: false,
    status: 404,
    text: 'this store does not keep earlier versions',
  },
  VERSION_UNKNOWN: {
    side: 'naming',
    retryable: false,
    status: 404,
    text: 'namespace {namespace} has no earlier version {version}',
  },
  WATCHES_EXHAUSTED: {
    side: 'naming',
    retryable: true,
    status: 503,
    text: 'too many watches are open: the limit is {limit}{scope}',
  },
  BODY_TOO_LARGE: {
    side: 'client',
    retryable: false,
    status: 413,
    text: 'the request body is longer than {limit} bytes (interfaces[].maxBodyBytes)',
  },
  BODIES_EXHAUSTED: {
    side: 'naming',
    retryable: true,
    status: 503,
    text: 'too many request bodies at the same time: the limit is {limit} bytes; retry',
  },
  NAMERD_REFUSED: { side: 'naming', retryable: false, text: '{url} refused the request ({status}): {body}' },
  NAMERD_MISSING: { side: 'naming', retryable: false, text: 'namespace {namespace} does not exist at {url}; {there}' },
  NAMERD_UNAUTHORIZED: {
    side: 'naming',
    retryable: false,
    text: '{url} did not accept your credentials ({status}): {body}',
  },
  NAMERD_FORBIDDEN: { side: 'naming', retryable: false, text: '{url} does not allow this ({status}): {body}' },
  NAMERD_EXISTS: { side: 'naming', retryable: false, text: 'namespace {namespace} already exists at {url}' },
  NAMERD_CONFLICT: {
    side: 'naming',
    retryable: false,
    text: 'namespace {namespace} has changed since version {version}: {present}',
  },
  NAMERD_NO_HISTORY: { side: 'naming', retryable: false, text: 'no history for namespace {namespace}: {reason}' },
  NAME_UNBOUND: {
    side: 'naming',
    retryable: false,
    text: '{path} has no addresses in namespace {namespace}: {reason}',
  },

  USAGE_INVALID: { side: 'client', retryable: false, text: '{reason}' },
  BASE_URL_INVALID: { side: 'client', retryable: false, text: 'invalid base URL {url} from {origin}: {reason}' },
  INPUT_UNREADABLE: { side: 'client', retryable: false, text: 'cannot read {file}: {reason}' },
  INPUT_INVALID: { side: 'client', retryable: false, text: '{file}:{line}:{column}: {reason}' },
  SPLIT_IMPOSSIBLE: {
    side: 'client',
    retryable: false,
    text: 'cannot split traffic in namespace {namespace}: {reason}',
  },
  EDITOR_FAILED: { side: 'client', retryable: false, text: 'no change was stored: {reason}' },
  EDIT_ABANDONED: {
    side: 'client',
    retryable: false,
    text: 'no change was stored: {reason}; your text is saved in {file}',
  },

  CONFIG_UNREADABLE: { side: 'config', retryable: false, status: 400, text: 'cannot read {file}: {reason}' },
  ENVIRONMENT_INVALID: {
    side: 'config',
    retryable: false,
    text: 'environment variable {variable} is {value}; expected one of: {expected}',
  },
  CONFIG_INVALID: { side: 'config', retryable: false, status: 400, text: '{report}' },
  TOKEN_UNUSABLE: { side: 'config', retryable: false, text: 'the token of {origin} cannot be used: {reason}' },
  TLS_UNUSABLE: { side: 'config', retryable: false, status: 400, text: 'TLS cannot be set up: {reason}' },
  OUTPUT_FAILED: { side: 'client', retryable: false, text: 'cannot write to standard output: {reason}' },
  CANNOT_WRITE: { side: 'config', retryable: true, status: 409, text: 'cannot write {file}: {reason}' },
  DRIVER_UNAVAILABLE: { side: 'config', retryable: false, text: 'driver {driver} cannot run here: {reason}' },
  CANNOT_LISTEN: { side: 'config', retryable: true, status: 409, text: 'cannot listen on {address}: {reason}' },

  NOT_FOUND: { side: 'client', retryable: false, status: 404, text: '{path} does not exist; try {hint}' },
  METHOD_NOT_ALLOWED: { side: 'client', retryable: false, status: 405, text: '{path} accepts {allowed}, not {method}' },
  PARAMETER_MISSING: {
    side: 'client',
    retryable: false,
    status: 400,
    text: 'query parameter {name} is missing: {hint}',
  },
  ROUTER_UNKNOWN: {
    side: 'client',
    retryable: false,
    status: 404,
    text: 'no router has the label {label}; labels are: {known}',
  },
  REQUEST_INVALID: { side: 'client', retryable: false, status: 400, text: '{reason}' },
  MEDIA_TYPE_UNKNOWN: {
    side: 'client',
    retryable: false,
    status: 415,
    text: 'unsupported Content-Type "{found}"; send {expected}',
  },
  ENCODING_UNKNOWN: {
    side: 'client',
    retryable: false,
    status: 415,
    text: 'unsupported Content-Encoding "{found}"; send the body as it is',
  },
  HOST_REFUSED: {
    side: 'client',
    retryable: false,
    status: 421,
    text: 'this address does not serve host {host}; use the address itself, or add the name to {key}',
  },
  ORIGIN_REFUSED: {
    side: 'client',
    retryable: false,
    status: 403,
    text: 'cross-origin request to {path} from {origin} rejected',
  },
  TOKEN_MISSING: {
    side: 'client',
    retryable: false,
    status: 401,
    text: 'authentication required: send "Authorization: Bearer <token>"',
  },
  TOKEN_UNKNOWN: {
    side: 'client',
    retryable: false,
    status: 401,
    text: 'unknown or revoked token',
  },
  RIGHT_MISSING: {
    side: 'client',
    retryable: false,
    status: 403,
    text: 'token {token} is not allowed to {right} namespace {namespace}; grant it in interfaces[].auth.tokens',
  },
  INTERNAL: { side: 'internal', retryable: false, status: 500, text: 'internal error, see the log' },
  STOPPING: {
    side: 'internal',
    retryable: false,
    status: 503,
    text: 'the proxy is stopping; its configuration can no longer be changed',
  },
  TIMED_OUT: { side: 'internal', retryable: true, status: 503, text: '{what} took longer than {timeout} ms' },
  WORKER_DIED: { side: 'internal', retryable: false, text: 'data plane worker {worker} ended unexpectedly: {reason}' },
  SHARED_MEMORY_FULL: {
    side: 'internal',
    retryable: false,
    status: 507,
    text: 'cannot add another {what}: the limit is {limit}',
  },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errors;

/** The text of a row with the details filled in, where no error is thrown. */
export function textOf(code: ErrorCode, details: Readonly<Record<string, string | number>>): string {
  return errors[code].text.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}

/** An error of the table: `code` names its row in {@link errors}, `message` is the text of the row with the details filled in. */
export class LinkerdTcpError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, details: Readonly<Record<string, string | number>> = {}, options?: { cause?: unknown }) {
    super(textOf(code, details), options as ErrorOptions);
    this.name = 'LinkerdTcpError';
    this.code = code;
    this.details = details;
  }

  get row(): Row {
    return errors[this.code];
  }
}

/** The message of anything thrown, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The operator's text of a network error. An attempt on several addresses fails with one error for each; all are named. */
export function networkReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(one => networkReason(one)).join('; ');
  return reasonOf(error);
}

const fileReasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links form a loop',
  ENXIO: 'it is a named pipe that no program reads',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  ENAMETOOLONG: 'the name is too long',
};

/** The operator's text of a failed operation on a file, without the name of the call and the path. */
export function fileReason(error: unknown): string {
  return fileReasons[(error as { code?: string } | null)?.code ?? ''] ?? reasonOf(error);
}
