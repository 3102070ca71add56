/**
 * namerd's HTTP API as namerctl uses it: one short request at a time, every way to fail as a row of the table of errors.
 *
 * Nothing is sent twice, redirects are not followed, proxies of the environment are not used.
 */
import { HttpClient } from '../clients/http/client.ts';
import { HttpFailure } from '../clients/http/failure.ts';
import { LinkerdTcpError, networkReason } from '../errors.ts';
import { version as ownVersion } from '../version.ts';
import type { BaseUrl } from './base-url.ts';
import type { Connection } from './connection.ts';
import { denial } from './denial.ts';
import { basePath, encodeNamespace, shownUrl, target } from './request-target.ts';
import { isHtml, saidIn } from './said.ts';
import { brief, decodeDtab, type ShownDtab, type StoredDtab, shownDtab } from './stored-dtab.ts';
import { troubleOf } from './trouble.ts';

/** A dtab on its way to namerd. */
export interface DtabBody {
  readonly type: 'application/dtab' | 'application/json';
  readonly text: string;
}

export interface PastDtab {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly dtab: ShownDtab;
}

interface Answer {
  readonly url: string;
  readonly status: number;
  readonly etag: string | undefined;
  readonly location: string | undefined;
  readonly challenge: string | undefined;
  readonly text: string;
}

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';

const longestBody = 64 << 20;
const written = [200, 201, 204];

export const jsonBody = (dtab: ShownDtab): DtabBody => ({
  type: 'application/json',
  text: JSON.stringify(dtab.map(({ prefix, dst }) => ({ prefix, dst }))),
});

export class NamerdApi {
  readonly #connection: Connection;
  readonly #http: HttpClient;

  constructor(connection: Connection) {
    const { baseUrl, tls, timeoutMs } = connection;
    this.#connection = connection;
    this.#http = new HttpClient({
      origin: baseUrl.url.origin,
      tls: tls && (() => tls),
      connectTimeoutMs: timeoutMs,
      maxBodyBytes: longestBody,
    });
  }

  get baseUrl(): BaseUrl {
    return this.#connection.baseUrl;
  }

  async list(): Promise<readonly string[]> {
    const answer = await this.#send('GET', '/dtabs', { accept: 'application/json' });
    return this.#decoded(this.#expect(answer, [200]), json => {
      if (Array.isArray(json) && json.every(name => typeof name === 'string')) return json;
      throw new Error(`expected a list of names, found ${brief(json)}`);
    });
  }

  async get(namespace: string): Promise<StoredDtab> {
    const answer = await this.#send('GET', pathOf(namespace), { accept: 'application/json' });
    const dtab = this.#decoded(this.#expect(answer, [200], namespace), decodeDtab);
    return { version: answer.etag, dtab };
  }

  /** The same, as if a namespace that is missing had a dtab without dentries. */
  async getOrEmpty(namespace: string): Promise<StoredDtab> {
    try {
      return await this.get(namespace);
    } catch (error) {
      if (error instanceof LinkerdTcpError && error.code === 'NAMERD_MISSING') return { version: undefined, dtab: [] };
      throw error;
    }
  }

  /** The version of a namespace, without its dtab; undefined where there is none. */
  async versionOf(namespace: string): Promise<string | undefined> {
    const { status, etag } = await this.#send('HEAD', pathOf(namespace));
    return status === 200 ? etag : undefined;
  }

  /** @returns its version, where the server says it */
  async create(namespace: string, body: DtabBody): Promise<string | undefined> {
    const answer = await this.#send('POST', pathOf(namespace), { 'content-type': body.type }, body.text);
    if (answer.status === 409)
      throw new LinkerdTcpError('NAMERD_EXISTS', { namespace, url: shownUrl(this.baseUrl.url) });
    return this.#expect(answer, written).etag;
  }

  /**
   * @param version only if that is the present one; without it whatever is there is replaced
   * @returns the version it has now, where the server says it
   */
  async update(namespace: string, body: DtabBody, version?: string): Promise<string | undefined> {
    const headers = { 'content-type': body.type, ...(version && { 'if-match': version }) };
    const answer = await this.#send('PUT', pathOf(namespace), headers, body.text);
    if (answer.status === 412) throw conflict(namespace, version, await this.versionOf(namespace));
    return this.#expect(answer, written, namespace).etag;
  }

  /** @param version only if that is the present one */
  async delete(namespace: string, version?: string): Promise<void> {
    // The namerd of Linkerd 1.x deletes whatever the header says.
    const present = version === undefined ? undefined : await this.versionOf(namespace);
    if (present !== undefined && present !== version) throw conflict(namespace, version, present);
    const answer = await this.#send('DELETE', pathOf(namespace), version === undefined ? {} : { 'if-match': version });
    if (answer.status === 412) throw conflict(namespace, version, await this.versionOf(namespace));
    this.#expect(answer, written, namespace);
  }

  /** The newest first. Only our namerd has it. */
  async history(namespace: string): Promise<readonly PastDtab[]> {
    const accept = { accept: 'application/json' };
    const query = { dtab: 'true', limit: '1000' };
    const answer = await this.#send('GET', `${pathOf(namespace)}/history`, accept, undefined, query);
    if (answer.status === 404) throw await this.#withoutHistory(answer, namespace);
    return this.#decoded(this.#expect(answer, [200]), decodeHistory);
  }

  /** Makes an earlier version the present one. @returns the version it has now */
  async restore(namespace: string, version: string): Promise<string | undefined> {
    const answer = await this.#send('POST', `${pathOf(namespace)}/restore`, {}, '', { version });
    if (answer.status === 404) throw await this.#withoutHistory(answer, namespace, version);
    return this.#expect(answer, written).etag;
  }

  /** What a name means in a namespace, as JSON. */
  async name(
    endpoint: 'bind' | 'resolve' | 'delegate',
    namespace: string,
    path: string,
    dtab?: string,
  ): Promise<unknown> {
    const accept = { accept: 'application/json' };
    const answer = await this.#send('GET', `/${endpoint}/${encodeNamespace(namespace)}`, accept, undefined, {
      path,
      dtab,
    });
    return this.#decoded(this.#expect(answer, [200], namespace), json => json);
  }

  /** The version that a change of `stored` depends on. */
  versionIn(namespace: string, { version }: StoredDtab): string {
    if (version !== undefined) return version;
    throw this.unexpected(`dtabs/${namespace}`, 'no ETag header, without which it cannot be changed safely');
  }

  /** An answer that is not what it should be, found by the caller. */
  unexpected(endpoint: string, reason: string): LinkerdTcpError {
    return new LinkerdTcpError('NAMERD_ANSWER', { url: `${shownUrl(this.baseUrl.url)}/api/1/${endpoint}`, reason });
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #send(
    method: Method,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string,
    parameters: Readonly<Record<string, string | undefined>> = {},
  ): Promise<Answer> {
    const { baseUrl, headers: always, timeoutMs } = this.#connection;
    const { url } = baseUrl;
    const shown = `${shownUrl(url)}/api/1${path}`;
    try {
      const answer = await this.#http.request({
        method,
        path: basePath(url) + target(url, path, parameters),
        headers: { 'user-agent': `namerctl/${ownVersion}`, ...always, ...headers },
        body,
        timeoutMs,
      });
      return {
        url: shown,
        status: answer.status,
        etag: answer.headers['etag'],
        location: answer.headers['location'],
        challenge: answer.headers['www-authenticate'],
        text: answer.text,
      };
    } catch (error) {
      throw this.#transportError(shown, error);
    }
  }

  #transportError(url: string, error: unknown): LinkerdTcpError {
    const kind = error instanceof HttpFailure ? error.kind : undefined;
    const { tls, timeoutMs } = this.#connection;
    if (kind === 'malformed')
      return new LinkerdTcpError('NAMERD_ANSWER', { url, reason: 'it is not HTTP' }, { cause: error });
    const details =
      kind === 'timeout'
        ? { reason: `no answer within ${timeoutMs} ms` }
        : troubleOf(error, tls !== undefined && tls.cert === undefined);
    return new LinkerdTcpError('NAMERD_UNREACHABLE', { url, ...details }, { cause: error });
  }

  /** @param namespace that a 404 says is missing; absent where it says something else */
  #expect(answer: Answer, good: readonly number[], namespace?: string): Answer {
    const { url, status, location, challenge, text } = answer;
    // namerd has none: this is a portal, a front end, another port.
    if (isHtml(text) && (good.includes(status) || status === 404))
      throw new LinkerdTcpError('NAMERD_ANSWER', { url, reason: `status ${status} and ${saidIn(text)}` });
    if (good.includes(status)) return answer;
    if (status === 404 && namespace !== undefined)
      throw new LinkerdTcpError('NAMERD_MISSING', { namespace, url: shownUrl(this.baseUrl.url) });
    if (status >= 400) {
      const details = { url, status, body: saidIn(text) };
      throw (
        denial(details, this.#connection, challenge) ??
        new LinkerdTcpError(status < 500 ? 'NAMERD_REFUSED' : 'NAMERD_STATUS', details)
      );
    }
    const where = location === undefined ? '' : ` to ${location}; redirects are not followed`;
    throw new LinkerdTcpError('NAMERD_ANSWER', { url, reason: `status ${status}${where}` });
  }

  #decoded<T>({ url, text }: Answer, decode: (json: unknown) => T): T {
    try {
      return decode(JSON.parse(text));
    } catch (error) {
      const reason = text.trim() === '' ? 'nothing' : networkReason(error);
      throw new LinkerdTcpError('NAMERD_ANSWER', { url, reason }, { cause: error });
    }
  }

  /** A namerd without a history has nothing to say, ours says why. */
  async #withoutHistory({ text }: Answer, namespace: string, version?: string): Promise<LinkerdTcpError> {
    const said = text.trim();
    if ((said === '' || version === undefined) && (await this.versionOf(namespace)) === undefined)
      return new LinkerdTcpError('NAMERD_MISSING', { namespace, url: shownUrl(this.baseUrl.url) });
    const reason = said || (version === undefined ? 'this namerd keeps none' : `it does not have version ${version}`);
    return new LinkerdTcpError('NAMERD_NO_HISTORY', { namespace, reason });
  }
}

function conflict(namespace: string, version = 'given', present: string | undefined): LinkerdTcpError {
  return new LinkerdTcpError('NAMERD_CONFLICT', {
    namespace,
    version,
    present: present === undefined ? 'it is gone' : `it is now at ${present}`,
  });
}

const pathOf = (namespace: string): string => `/dtabs/${encodeNamespace(namespace)}`;

/** `dtab` may be a list of dentries or text, `at` milliseconds or ISO 8601. */
function decodeHistory(json: unknown): readonly PastDtab[] {
  const versions = Array.isArray(json) ? json : Object(json).versions;
  if (!Array.isArray(versions)) throw new Error(`expected a list of versions, found ${brief(json)}`);
  const stored = versions.filter(entry => !Object(entry).deleted);
  return stored.map((entry, i) => {
    const { version, at, dtab } = Object(entry);
    const time = typeof at === 'string' ? Date.parse(at) : at;
    if (typeof version !== 'string' || !Number.isFinite(time))
      throw new Error(`version ${i}: expected {"version": …, "at": …, "dtab": …}, found ${brief(entry)}`);
    return { version, at: time, dtab: typeof dtab === 'string' ? shownDtab(dtab) : decodeDtab(dtab) };
  });
}
