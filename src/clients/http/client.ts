/**
 * HTTP/1.1 requests to one server, plain or TLS: for the clients of namerd, Consul, Kubernetes and others.
 *
 * Short requests share a few connections. A request that waits for a change has a connection for as long as it waits, so that
 * many of them never make a short one queue. A stream has a connection of its own that ends with it.
 *
 * Nothing is sent twice, redirects are not followed, and proxies of the environment are not used. Every request has a deadline
 * and every body a bound. A status is an answer; whatever else happens is an {@link HttpFailure}.
 */
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { Client, Dispatcher, Pool } from 'undici';
import type { Clock } from '../../live/clock.ts';
import { connectorOf, type TlsSource } from './connector.ts';
import { abortable, beforeDeadline } from './deadline.ts';
import { HttpFailure, httpFailure } from './failure.ts';
import { loadUndici, type Undici } from './undici.ts';

export interface HttpClientOptions {
  /** `https://localhost:8501` */
  readonly origin: string;
  /**
   * Asked at each request. When it says something new, so do new connections, and those of before end with their requests: a
   * certificate that was renewed is in use at once. Absent for plain HTTP.
   */
  readonly tls?: TlsSource | undefined;
  readonly connectTimeoutMs: number;
  /** Of host names; that of the control plane unless given. */
  readonly lookup?: LookupFunction;
  /** The longest body that is read whole. */
  readonly maxBodyBytes: number;
  readonly clock?: Clock;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** From the start to the last byte, or to the headers of a stream. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The server answers when something changes, which may be long after. */
  readonly isWaiting?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name; of repeated ones the first. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

export interface HttpStream {
  readonly status: 200;
  /** Ends the connection when it closes. */
  readonly body: Readable;
}

/** More short requests at once than this wait for each other. */
const shortConnections = 16;
const keepAliveTimeout = 60_000;
/** Of an answer that is not a success: enough for any explanation. */
const maxErrorBytes = 64 * 1024;

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #streams = new Set<Client>();
  #connections: Connections | undefined;
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** Rejects with an {@link HttpFailure}, or the reason of `signal`. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    return this.#within(request, async signal => {
      const { short, waiting } = this.#connected();
      signal.throwIfAborted();
      const answer = await (request.isWaiting ? waiting : short).request({ ...dispatched(request), signal });
      return this.#read(answer);
    });
  }

  /**
   * A streaming answer: a body of status 200 that is open until it ends or `signal` aborts. An answer with any other status
   * is read whole. Rejects as {@link request} does.
   */
  async stream(request: HttpRequest & { readonly signal: AbortSignal }): Promise<HttpStream | HttpAnswer> {
    const { undici, settings } = this.#connected();
    const connection = new undici.Client(this.#options.origin, settings);
    this.#streams.add(connection);
    const end = (reason: Error) => {
      request.signal.removeEventListener('abort', aborted);
      this.#streams.delete(connection);
      connection.destroy(reason, () => undefined);
    };
    const aborted = () => end(request.signal.reason);
    request.signal.addEventListener('abort', aborted);
    try {
      return await this.#within(request, async () => {
        const answer = await connection.request(dispatched(request));
        if (answer.statusCode !== 200) {
          const whole = await this.#read(answer);
          end(new Error('the request is over'));
          return whole;
        }
        // Ending the connection emits an error also after the reader has turned away.
        const body = answer.body.on('error', () => undefined).on('close', () => end(new Error('the stream is over')));
        return { status: 200, body } as const;
      });
    } catch (error) {
      end(new Error('the request is over'));
      throw error;
    }
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { short, waiting } = this.#connections ?? {};
    await Promise.all([short?.destroy(), waiting?.destroy(), ...Array.from(this.#streams, each => each.destroy())]);
  }

  /** Takes no new requests; those under way end in their own time. */
  async retire(): Promise<void> {
    this.#isClosed = true;
    await retired(this.#connections);
  }

  async #within<T>({ timeoutMs, signal }: HttpRequest, use: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // undici notices a signal only once it is connected.
    const prompt = (over: AbortSignal) => abortable(use(over), over);
    try {
      return await beforeDeadline(timeoutMs, prompt, signal, this.#options.clock);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw httpFailure(error);
    }
  }

  async #read({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<HttpAnswer> {
    const isSuccess = statusCode >= 200 && statusCode < 300;
    const text = await (isSuccess ? whole(body, this.#options.maxBodyBytes) : beginning(body, maxErrorBytes));
    const first = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]);
    return { status: statusCode, headers: Object.fromEntries(first), text };
  }

  #connected(): Connections {
    if (this.#isClosed) throw new HttpFailure('closed', 'this client is closed');
    const tls = this.#options.tls?.();
    if (this.#connections === undefined || this.#connections.tls !== tls) {
      retired(this.#connections).catch(() => undefined);
      this.#connections = connectionsOf(loadUndici(), this.#options, tls);
    }
    return this.#connections;
  }
}

interface Connections {
  /** The settings they use. */
  readonly tls: ConnectionOptions | undefined;
  readonly undici: Undici;
  readonly settings: Client.Options;
  readonly short: Pool;
  readonly waiting: Pool;
}

function connectionsOf(
  undici: Undici,
  { origin, connectTimeoutMs, lookup }: HttpClientOptions,
  tls: ConnectionOptions | undefined,
): Connections {
  const connect = connectorOf(undici.buildConnector, tls, connectTimeoutMs, lookup);
  // This client has its own deadlines.
  const settings = { allowH2: false, keepAliveTimeout, headersTimeout: 0, bodyTimeout: 0, connect };
  const short = new undici.Pool(origin, { ...settings, connections: shortConnections });
  return { tls, undici, settings, short, waiting: new undici.Pool(origin, settings) };
}

const retired = (connections: Connections | undefined) =>
  Promise.all([connections?.short.close(), connections?.waiting.close()]);

const dispatched = ({ method, path, headers, body }: HttpRequest) => ({
  method,
  path,
  headers,
  ...(body !== undefined && { body }),
});

async function whole(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new HttpFailure('tooLong', `the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The rest of the body is not read. */
async function beginning(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}
