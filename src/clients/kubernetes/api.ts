/**
 * Requests to a Kubernetes API server over HTTP/1.1: short ones that are read to their end, and streams.
 *
 * Short requests share a few connections; a stream has one of its own that ends with it. What an {@link ApiError} or the network
 * says is what is thrown. A server that asks to be left alone for a while (`Retry-After`) is: until then requests wait.
 */
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import { networkReason } from '../../errors.ts';
import { version } from '../../version.ts';
import type { Access, Credentials } from './access.ts';
import { ApiError } from './api-error.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

/** Nobody knows whether the request was carried out: it went out, and no answer came. */
export class UnansweredError extends Error {}

/** More short requests at once than this wait for each other. */
const shortConnections = 16;
const connectTimeoutMs = 3000;
const keepAliveMs = 30_000;
const tcpKeepAliveMs = 5000;
const maxBodyBytes = 64 * 2 ** 20;
const maxErrorBytes = 64 * 2 ** 10;
const longestPauseMs = 30_000;
const shortestPauseMs = 100;

/** Connections to one server with one identity. */
interface Route {
  readonly origin: string;
  readonly tls: ConnectionOptions | undefined;
  readonly settings: Client.Options;
  readonly pool: Pool;
}

export class KubernetesApi {
  readonly #access: Access;
  readonly #streams = new Set<Client>();
  #route: Route | undefined;
  /** By performance.now(). */
  #pausedUntil = 0;
  #isClosed = false;

  constructor(access: Access) {
    this.#access = access;
  }

  /** The JSON of the answer. `signal` bounds its time, waiting for a server that asks for patience included. */
  async call(request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    for (;;) {
      await this.#pause(signal);
      try {
        return JSON.parse(await this.#callOnce(request, signal));
      } catch (error) {
        if (error instanceof SyntaxError) throw new Error(`its answer is not JSON: ${error.message}`, { cause: error });
        // Refused before anything was done: it may be asked again.
        if (!(error instanceof ApiError && error.status === 429 && error.retryAfterMs !== undefined)) throw error;
      }
    }
  }

  /** The body of an answer that goes on, until it ends or `signal` aborts. @param answerMs for its headers */
  async stream(path: string, answerMs: number, signal: AbortSignal): Promise<Readable> {
    const credentials = await within(this.#access.credentials(), answerMs, signal);
    const client = new Client(credentials.origin, this.#routeFor(credentials).settings);
    this.#streams.add(client);
    const cut = (reason: Error) => {
      signal.removeEventListener('abort', aborted);
      this.#streams.delete(client);
      client.destroy(reason, () => undefined);
    };
    const aborted = () => cut(signal.reason);
    signal.addEventListener('abort', aborted);
    try {
      signal.throwIfAborted();
      const answer = within(client.request(optionsOf({ method: 'GET', path }, credentials)), answerMs, signal);
      const { statusCode, headers, body } = await answer;
      if (statusCode !== 200) throw await within(this.#refusal(statusCode, headers, body), answerMs, signal);
      // Cutting emits an error also after the reader has turned away.
      return body.on('error', () => undefined).on('close', () => cut(new Error('the stream is over')));
    } catch (error) {
      cut(new Error('the request is over'));
      throw this.#explained(error);
    }
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#route?.pool.destroy(), ...Array.from(this.#streams, stream => stream.destroy())]);
  }

  async #callOnce(request: ApiRequest, signal: AbortSignal): Promise<string> {
    let isSent = false;
    try {
      const credentials = await within(this.#access.credentials(), undefined, signal);
      signal.throwIfAborted();
      const { pool } = this.#routeFor(credentials);
      isSent = true;
      const { statusCode, headers, body } = await pool.request({ ...optionsOf(request, credentials), signal });
      if (statusCode < 200 || statusCode > 299) throw await this.#refusal(statusCode, headers, body);
      return await read(body, maxBodyBytes);
    } catch (error) {
      const explained = this.#explained(error);
      if (isSent && request.method !== 'GET' && isUnanswered(error))
        throw new UnansweredError(explained.message, { cause: error });
      throw explained;
    }
  }

  async #refusal(status: number, headers: Dispatcher.ResponseData['headers'], body: Readable): Promise<ApiError> {
    const text = await read(body, maxErrorBytes);
    const retryAfterMs = pauseOf(headers['retry-after']);
    if (retryAfterMs !== undefined) this.#pausedUntil = performance.now() + retryAfterMs;
    if (status === 401) this.#access.refused?.();
    return new ApiError(status, jsonOr(text), retryAfterMs);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const ms = this.#pausedUntil - performance.now();
    if (ms <= 0) return;
    await delay(ms, undefined, { signal }).catch(() => {
      throw new Error(`it asks to be left alone for ${Math.ceil(ms / 1000)} s`);
    });
  }

  #routeFor({ origin, tls }: Credentials): Route {
    if (this.#isClosed) throw new Error('it is closed');
    const current = this.#route;
    if (current !== undefined && current.origin === origin && current.tls === tls) return current;
    const settings: Client.Options = {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      // One connector for all, so that TLS sessions are resumed.
      connect: buildConnector({
        ...tls,
        timeout: connectTimeoutMs,
        keepAlive: true,
        keepAliveInitialDelay: tcpKeepAliveMs,
      }),
    };
    const pool = new Pool(origin, { ...settings, connections: shortConnections });
    this.#route = { origin, tls, settings, pool };
    // Requests under way end in their own time.
    current?.pool.close().catch(() => undefined);
    return this.#route;
  }

  #explained(error: unknown): Error {
    if (error instanceof ApiError) return error;
    const { advice } = this.#access;
    const isAbsent = /ECONNREFUSED|ENOTFOUND/.test(networkReason(error));
    return new Error(networkReason(error) + (isAbsent && advice !== undefined ? ` (${advice})` : ''), { cause: error });
  }
}

function optionsOf({ method, path, body }: ApiRequest, { basePath, headers }: Credentials) {
  return {
    method,
    path: basePath + path,
    headers: {
      ...headers,
      accept: 'application/json',
      'user-agent': `linkerd-tcp/${version}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
}

/** Gives `use` a signal that aborts when it takes longer than `ms`, or when `stop` does. */
export async function beforeDeadline<T>(
  ms: number,
  use: (signal: AbortSignal) => Promise<T>,
  stop?: AbortSignal,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ms} ms`)), ms);
  const stopped = () => late.abort(stop?.reason);
  stop?.addEventListener('abort', stopped);
  try {
    stop?.throwIfAborted();
    return await use(late.signal);
  } finally {
    clearTimeout(timer);
    stop?.removeEventListener('abort', stopped);
  }
}

/** For what takes no signal of its own. */
async function within<T>(promise: Promise<T>, ms: number | undefined, signal: AbortSignal): Promise<T> {
  const cut = Promise.withResolvers<never>();
  const aborted = () => cut.reject(signal.reason);
  signal.addEventListener('abort', aborted);
  if (signal.aborted) aborted();
  const timer = ms === undefined ? undefined : setTimeout(() => cut.reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, cut.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', aborted);
  }
}

/** Whether the request may have reached the server although no answer came from it. */
function isUnanswered(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 && error.status !== 503;
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || ['UND_ERR_SOCKET', 'UND_ERR_ABORTED', 'ECONNRESET', 'EPIPE', 'ABORT_ERR'].includes(code);
}

async function read(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`its answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Seconds; the other form of the header, a date, is not used by Kubernetes. */
function pauseOf(retryAfter: string | string[] | undefined): number | undefined {
  const seconds = Number(retryAfter ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(Math.max(seconds * 1000, shortestPauseMs), longestPauseMs);
}
