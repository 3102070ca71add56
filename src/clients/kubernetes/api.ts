/**
 * Requests to a Kubernetes API server: short ones that are read to their end, and streams.
 *
 * Failures are {@link ApiError}s or failures of the network; `outcomeOf` tells for both whether a write may have taken effect. Requests that the server refuses because it is overloaded (429 with `Retry-After`) wait and are sent again.
 */
import type { Readable } from 'node:stream';
import { version } from '../../version.ts';
import { HttpClient, type HttpRequest } from '../http/client.ts';
import type { TlsSource } from '../http/connector.ts';
import { abortable } from '../http/deadline.ts';
import { withoutSecrets } from '../http/excerpt.ts';
import { HttpFailure } from '../http/failure.ts';
import { outcomeOf, RequestFailure } from '../outcome.ts';
import type { Access, Credentials } from './access.ts';
import { ApiError } from './api-error.ts';
import { Pacer } from './pacer.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

const connectTimeoutMs = 3000;
const maxBodyBytes = 64 * 2 ** 20;
/** Callers have tighter ones. */
const requestTimeoutMs = 60_000;
const longestPauseMs = 30_000;
const shortestPauseMs = 100;

/** Connections to one server with one identity. */
interface Route {
  readonly origin: string;
  readonly tls: TlsSource | undefined;
  readonly http: HttpClient;
}

export class KubernetesApi {
  readonly #access: Access;
  readonly #pacer: Pacer;
  #route: Route | undefined;
  #isClosed = false;

  /** @param random uniform in [0, 1) */
  constructor(access: Access, random: () => number = Math.random) {
    this.#access = access;
    this.#pacer = new Pacer(random);
  }

  /** The JSON of the answer. `signal` bounds its time, including the wait for a server that is overloaded. */
  async call(request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    for (;;) {
      try {
        return await this.#pacer.run(() => this.#callOnce(request, signal), signal);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 429 && error.isTemporary)) throw error;
      }
    }
  }

  /** The body of a streaming answer, until it ends or `signal` aborts. @param answerMs for its headers */
  async stream(path: string, answerMs: number, signal: AbortSignal): Promise<Readable> {
    const credentials = await abortable(this.#access.credentials(), signal);
    const { http } = this.#routeFor(credentials);
    const request = { ...requestOf({ method: 'GET', path }, credentials), timeoutMs: answerMs, signal };
    const answer = await http.stream(request).catch(error => {
      throw this.#explained(error, 'GET');
    });
    if ('body' in answer) return answer.body;
    throw this.#refusal('GET', answer, credentials);
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pacer.close();
    this.#access.close?.();
    await this.#route?.http.close();
  }

  async #callOnce(request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    const { method } = request;
    const credentials = await abortable(this.#access.credentials(), signal).catch(error => {
      throw new RequestFailure(error.message, 'none', { cause: error });
    });
    const { http } = this.#routeFor(credentials);
    const answer = await http.request({ ...requestOf(request, credentials), signal }).catch(error => {
      throw this.#explained(error, method);
    });
    if (answer.status < 200 || answer.status > 299) throw this.#refusal(method, answer, credentials);
    try {
      return JSON.parse(answer.text);
    } catch (error) {
      const outcome = method === 'GET' ? 'none' : 'unknown';
      throw new RequestFailure(`its answer is not JSON: ${(error as Error).message}`, outcome, { cause: error });
    }
  }

  #refusal(
    method: ApiRequest['method'],
    { status, headers, text }: Awaited<ReturnType<HttpClient['request']>>,
    credentials: Credentials,
  ): ApiError {
    const pauseMs = pauseOf(headers['retry-after']);
    if (pauseMs !== undefined) this.#pacer.refused(pauseMs);
    if (status === 401) this.#access.refused?.();
    const body = jsonOr(withoutSecrets(text, secretsOf(credentials)));
    return new ApiError(status, body, { isRead: method === 'GET', isTemporary: pauseMs !== undefined });
  }

  #routeFor({ origin, tls }: Credentials): Route {
    if (this.#isClosed) throw new HttpFailure('closed', 'this client is closed');
    const current = this.#route;
    if (current !== undefined && current.origin === origin && current.tls === tls) return current;
    const http = new HttpClient({ origin, tls, connectTimeoutMs, maxBodyBytes });
    this.#route = { origin, tls, http };
    // Requests under way end in their own time.
    current?.http.retire().catch(() => undefined);
    return this.#route;
  }

  /** A read has no effect, however it ends. */
  #explained(error: unknown, method: ApiRequest['method']): Error {
    const { advice } = this.#access;
    const message = (error as Error).message;
    const isAbsent = error instanceof HttpFailure && /ECONNREFUSED|ENOTFOUND/.test(error.code);
    const outcome = method === 'GET' ? 'none' : outcomeOf(error);
    return new RequestFailure(message + (isAbsent && advice !== undefined ? ` (${advice})` : ''), outcome, {
      cause: error,
    });
  }
}

function requestOf({ method, path, body }: ApiRequest, { basePath, headers }: Credentials): HttpRequest {
  return {
    method,
    path: basePath + path,
    headers: {
      ...headers,
      accept: 'application/json',
      'user-agent': `linkerd-tcp/${version}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    timeoutMs: requestTimeoutMs,
  };
}

const secretsOf = ({ headers }: Credentials): readonly string[] =>
  Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === 'authorization' ? [value.replace(/^\w+ /, '')] : [],
  );

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Seconds; the other form of the header, a date, is not used by Kubernetes. */
function pauseOf(retryAfter: string | undefined): number | undefined {
  const seconds = Number(retryAfter ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(Math.max(seconds * 1000, shortestPauseMs), longestPauseMs);
}
