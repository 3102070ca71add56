/** namerd's HTTP API as proxies use it: short GET requests for JSON, and streams that stay open. Failures are rows of the table of errors. */
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Clock } from '../../live/clock.ts';
import { RotatingLookup } from '../dns/rotating-lookup.ts';
import { HttpClient, type HttpRequest } from '../http/client.ts';
import { excerptOf } from '../http/excerpt.ts';
import { HttpFailure } from '../http/failure.ts';
import type { LiveClientTls } from '../live-client-tls.ts';
import type { TokenSource } from '../token-source.ts';

export interface HttpClientOptions {
  /** May have a path, which is put in front of every request's. */
  readonly baseUrl: URL;
  /** Closed with the client. */
  readonly tls?: Pick<LiveClientTls, 'source' | 'close'> | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The same, as a bearer token; it is in no message. */
  readonly token?: TokenSource | undefined;
  /** From the start of a request to its last byte, or to the headers of a stream. */
  readonly requestTimeoutMs: number;
  /** The longest body of a short request. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  /** Of the host name; that of the control plane unless given. */
  readonly lookup?: LookupFunction;
}

export class NamerdHttpClient {
  readonly #options: HttpClientOptions;
  readonly #basePath: string;
  readonly #http: HttpClient;
  readonly #lookup: RotatingLookup;

  constructor(options: HttpClientOptions) {
    const { baseUrl, tls, requestTimeoutMs, maxBodyBytes, clock, lookup } = options;
    this.#lookup = new RotatingLookup(lookup);
    this.#options = options;
    this.#basePath = baseUrl.pathname.replace(/\/+$/, '');
    this.#http = new HttpClient({
      origin: baseUrl.origin,
      tls: tls?.source,
      connectTimeoutMs: requestTimeoutMs,
      lookup: this.#lookup.lookup,
      maxBodyBytes,
      clock,
    });
  }

  /** The address of `target` (path and query below the base URL), for messages. */
  url(target: string): string {
    return `${this.#options.baseUrl.origin}${this.#basePath}${target}`;
  }

  /** How many addresses the host had last. */
  get addresses(): number {
    return this.#lookup.addresses;
  }

  /** Something is wrong with this server: the next connections begin with another address of its name. */
  tryOtherAddress(): void {
    this.#lookup.rotate();
  }

  /** The JSON document that `target` answers with status 200. Rejects with a {@link LinkerdTcpError} of a NAMERD_ row. */
  async get(target: string, signal?: AbortSignal): Promise<unknown> {
    const { request, secrets } = await this.#request(target, signal);
    const { status, text } = await this.#explained(target, this.#http.request(request));
    if (status !== 200) throw this.#refusal(target, status, text, secrets);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new LinkerdTcpError('NAMERD_ANSWER', { url: this.url(target), reason: reasonOf(error) }, { cause: error });
    }
  }

  /** The body of a stream, open until it ends or `signal` aborts. Rejects as {@link get} does. */
  async open(target: string, signal: AbortSignal): Promise<Readable> {
    const { request, secrets } = await this.#request(target, signal);
    const answer = await this.#explained(target, this.#http.stream({ ...request, signal }));
    if ('body' in answer) return answer.body;
    throw this.#refusal(target, answer.status, answer.text, secrets);
  }

  /** Cuts everything that is under way. */
  close(): Promise<void> {
    this.#options.tls?.close();
    return this.#http.close();
  }

  async #request(target: string, signal?: AbortSignal): Promise<{ request: HttpRequest; secrets: readonly string[] }> {
    const { token, headers: given, requestTimeoutMs: timeoutMs } = this.#options;
    const secret = await token?.();
    const bearer = secret !== undefined && { authorization: `Bearer ${secret}` };
    const headers: Record<string, string> = { accept: 'application/json', ...given, ...bearer };
    const secrets = headers['authorization'] === undefined ? [] : [secret ?? headers['authorization']];
    return { request: { method: 'GET', path: this.#basePath + target, headers, timeoutMs, signal }, secrets };
  }

  async #explained<T>(target: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const isTooLong = error instanceof HttpFailure && error.kind === 'tooLong';
      const details = { url: this.url(target), reason: reasonOf(error) };
      throw new LinkerdTcpError(isTooLong ? 'NAMERD_ANSWER' : 'NAMERD_UNREACHABLE', details, { cause: error });
    }
  }

  #refusal(target: string, status: number, text: string, secrets: readonly string[]): LinkerdTcpError {
    const details = { url: this.url(target), status, body: excerptOf(text, secrets) || 'no reason given' };
    const hint = denialHint(status, secrets.length > 0);
    return hint === undefined
      ? new LinkerdTcpError('NAMERD_STATUS', details)
      : new LinkerdTcpError('NAMERD_DENIED', { ...details, hint });
  }
}

/** The next step after a refusal; undefined for any other status. */
function denialHint(status: number, isTokenSent: boolean): string | undefined {
  if (status === 403) return 'grant the token more rights in the configuration of namerd';
  if (status !== 401) return undefined;
  return isTokenSent
    ? 'namerd does not know the token: see token or tokenFile'
    : 'give the interpreter a token, or a tokenFile';
}
