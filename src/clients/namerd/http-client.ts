/**
 * GET requests to one namerd over HTTP/1.1, plain or TLS: short ones read to their end, and streams that stay open.
 *
 * Short requests share a few connections. A stream has a connection of its own that ends with it: undici's pools connect
 * anew after every request that was cut, and cutting is how a watch ends.
 */
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { buildConnector, Client, Pool } from 'undici';
import { LinkerdTcpError, networkReason, reasonOf } from '../../errors.ts';
import type { Clock } from '../../live/clock.ts';
import type { TokenSource } from '../token-source.ts';

export interface HttpClientOptions {
  /** May have a path, which is put in front of every request's. */
  readonly baseUrl: URL;
  readonly tls?: ConnectionOptions;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The same, as a bearer token; it is in no message. */
  readonly token?: TokenSource;
  /** From the start of a request to its last byte, or to the headers of a stream. */
  readonly requestTimeoutMs: number;
  /** The longest body of a short request. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
}

/** More short requests at once than this wait for each other. */
const shortConnections = 16;
const keepAliveMs = 60_000;
const tcpKeepAliveMs = 30_000;
const shownBody = 300;

export class NamerdHttpClient {
  readonly #options: HttpClientOptions;
  readonly #basePath: string;
  readonly #settings: Client.Options;
  readonly #short: Pool;
  readonly #streams = new Set<Client>();

  constructor(options: HttpClientOptions) {
    const { baseUrl, tls, requestTimeoutMs } = options;
    this.#options = options;
    this.#basePath = baseUrl.pathname.replace(/\/+$/, '');
    this.#settings = {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      // One connector for all, so that TLS sessions are resumed.
      connect: buildConnector({
        ...tls,
        timeout: requestTimeoutMs,
        keepAlive: true,
        keepAliveInitialDelay: tcpKeepAliveMs,
      }),
    };
    this.#short = new Pool(baseUrl.origin, { ...this.#settings, connections: shortConnections });
  }

  /** The address of `target` (path and query below the base URL), for messages. */
  url(target: string): string {
    return `${this.#options.baseUrl.origin}${this.#basePath}${target}`;
  }

  /** The JSON document that `target` answers with status 200. Rejects with a {@link LinkerdTcpError} of a NAMERD_ row. */
  async get(target: string, signal?: AbortSignal): Promise<unknown> {
    const text = await this.#within(target, async timeout => {
      const cut = signal ? AbortSignal.any([signal, timeout]) : timeout;
      return this.#read(target, await this.#request(this.#short, target, cut));
    });
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new LinkerdTcpError('NAMERD_ANSWER', { url: this.url(target), reason: reasonOf(error) }, { cause: error });
    }
  }

  /** The body of a stream, open until it ends or `signal` aborts. Rejects as {@link get} does. */
  async open(target: string, signal: AbortSignal): Promise<Readable> {
    const connection = new Client(this.#options.baseUrl.origin, this.#settings);
    this.#streams.add(connection);
    const cut = (reason: Error) => {
      this.#streams.delete(connection);
      connection.destroy(reason, () => {});
    };
    const cutBySignal = () => cut(signal.reason);
    signal.addEventListener('abort', cutBySignal);
    const over = () => {
      signal.removeEventListener('abort', cutBySignal);
      cut(new Error('the stream is over'));
    };
    try {
      return await this.#within(target, async timeout => {
        timeout.addEventListener('abort', () => cut(timeout.reason));
        signal.throwIfAborted();
        const body = await this.#request(connection, target);
        // Cutting emits an error also after the reader has turned away.
        body.on('error', () => undefined).on('close', over);
        return body;
      });
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    await Promise.all([this.#short.destroy(), ...Array.from(this.#streams, stream => stream.destroy())]);
  }

  /** Gives `use` a signal that aborts when it takes too long, and translates what it throws. */
  async #within<T>(target: string, use: (timeout: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, requestTimeoutMs } = this.#options;
    const timeout = new AbortController();
    const cancel = clock.after(requestTimeoutMs, () =>
      timeout.abort(new Error(`no complete answer within ${requestTimeoutMs} ms`)),
    );
    try {
      return await use(timeout.signal);
    } catch (error) {
      if (error instanceof LinkerdTcpError) throw error;
      const details = { url: this.url(target), reason: networkReason(error) };
      throw new LinkerdTcpError('NAMERD_UNREACHABLE', details, { cause: error });
    } finally {
      cancel();
    }
  }

  /** The body of an answer with status 200. */
  async #request(dispatcher: Pool | Client, target: string, signal?: AbortSignal): Promise<Readable> {
    const path = this.#basePath + target;
    const { token, headers: given } = this.#options;
    const secret = await token?.();
    const bearer = secret !== undefined && { authorization: `Bearer ${secret}` };
    const headers: Record<string, string> = { accept: 'application/json', ...given, ...bearer };
    const { statusCode: status, body: answer } = await dispatcher.request({ method: 'GET', path, headers, signal });
    if (status === 200) return answer;
    const said = (await beginning(answer)) || 'nothing more';
    // namerd does not repeat a token; one never knows about what stands before it.
    const body = secret === undefined ? said : said.replaceAll(secret, '(hidden)');
    const details = { url: this.url(target), status, body };
    const hint = denialHint(status, 'authorization' in headers);
    throw hint === undefined
      ? new LinkerdTcpError('NAMERD_STATUS', details)
      : new LinkerdTcpError('NAMERD_DENIED', { ...details, hint });
  }

  async #read(target: string, body: Readable): Promise<string> {
    const { maxBodyBytes } = this.#options;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBodyBytes)
        throw new LinkerdTcpError('NAMERD_ANSWER', {
          url: this.url(target),
          reason: `the answer is longer than ${maxBodyBytes} bytes`,
        });
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }
}

/** What to do about a refusal; undefined for any other status. */
function denialHint(status: number, isTokenSent: boolean): string | undefined {
  if (status === 403) return 'see what namerd lets our token do';
  if (status !== 401) return undefined;
  return isTokenSent
    ? 'namerd does not know our token: see token or tokenFile'
    : 'give the interpreter a token, or a tokenFile';
}

/** The first characters of a body, on one line; the rest is not read. */
async function beginning(body: Readable): Promise<string> {
  let text = '';
  for await (const chunk of body as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (text.length > shownBody) break;
  }
  return text.slice(0, shownBody).replace(/\s+/g, ' ').trim();
}
