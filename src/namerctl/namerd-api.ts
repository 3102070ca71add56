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
import { decodeHistory, type HistoryPage } from './past-versions.ts';
import { basePath, encodeNamespace, shownUrl, target } from './request-target.ts';
import { isHtml, saidIn } from './said.ts';
import { brief, decodeDtab, type ShownDtab, type StoredDtab } from './stored-dtab.ts';
import { troubleOf } from './trouble.ts';

/** A dtab on its way to namerd. */
export interface DtabBody {
  readonly type: 'application/dtab' | 'application/json';
  readonly text: string;
}

export interface HistoryQuery {
  readonly limit: number;
  /** Only versions with a lower number. */
  readonly before?: number;
  /** With the dtabs. */
  readonly withDtabs?: boolean;
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
    if (answer.status === 404) throw notNamerd(answer);
    return this.#decoded(this.#expect(answer, [200]), json => {
      if (Array.isArray(json) && json.every(name => typeof name === 'string')) return json;
      throw new Error(`expected a list of names, found ${brief(json)}`);
    });
  }

  async get(namespace: string): Promise<StoredDtab> {
    const answer = await this.#send('GET', pathOf(namespace), { accept: 'application/json' });
    if (answer.status === 404) throw await this.missing(namespace, answer);
    const dtab = this.#decoded(this.#expect(answer, [200]), decodeDtab);
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

  /** The version of a namespace, without its dtab; undefined if it does not exist. */
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
    if (answer.status === 404) throw await this.missing(namespace, answer);
    return this.#expect(answer, written).etag;
  }

  /** @param version only if that is the present one */
  async delete(namespace: string, version?: string): Promise<void> {
    // The namerd of Linkerd 1.x deletes whatever the header says.
    const present = version === undefined ? undefined : await this.versionOf(namespace);
    if (present !== undefined && present !== version) throw conflict(namespace, version, present);
    const answer = await this.#send('DELETE', pathOf(namespace), version === undefined ? {} : { 'if-match': version });
    if (answer.status === 412) throw conflict(namespace, version, await this.versionOf(namespace));
    if (answer.status === 404) throw await this.missing(namespace, answer);
    this.#expect(answer, written);
  }

  /** A namerd of Linkerd 1.x has none. */
  async history(namespace: string, { limit, before, withDtabs }: HistoryQuery): Promise<HistoryPage> {
    const accept = { accept: 'application/json' };
    const query = { limit: String(limit), before: before?.toString(), dtab: withDtabs ? 'true' : undefined };
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

  /** An earlier version by its number or entity tag. */
  async earlier(namespace: string, version: string): Promise<ShownDtab> {
    const accept = { accept: 'application/json' };
    const answer = await this.#send('GET', pathOf(namespace), accept, undefined, { version });
    if (answer.status === 404) throw await this.#withoutHistory(answer, namespace, version);
    // A namerd that does not know the parameter answers with the current version.
    if (answer.etag === undefined || !isVersion(answer.etag, version)) return this.#fromHistory(namespace, version);
    return this.#decoded(this.#expect(answer, [200]), decodeDtab);
  }

  async #fromHistory(namespace: string, version: string): Promise<ShownDtab> {
    const { versions } = await this.history(namespace, { limit: 1000, withDtabs: true });
    const dtab = versions.find(each => each.version === version)?.dtab;
    if (dtab !== undefined) return dtab;
    throw new LinkerdTcpError('NAMERD_NO_HISTORY', { namespace, reason: `it does not have version ${version}` });
  }

  /**
   * The warnings of this namerd about a dtab. Nothing is sent to another one: the namerd of Linkerd 1.x would not check
   * the dtab but store it.
   */
  async warnings(namespace: string, body: DtabBody): Promise<readonly string[]> {
    try {
      if (!(await this.#canValidate())) return [];
      const type = { 'content-type': body.type };
      const answer = await this.#send('PUT', pathOf(namespace), type, body.text, { validate: 'true' });
      return answer.status === 200 ? this.#decoded(answer, decodeWarnings) : [];
    } catch (error) {
      if (error instanceof LinkerdTcpError) return [];
      throw error;
    }
  }

  /** Only this namerd describes its API. */
  async #canValidate(): Promise<boolean> {
    const { status, text } = await this.#send('GET', '/openapi.json', { accept: 'application/json' });
    return status === 200 && text.includes('"validate"');
  }

  /** The resolution of a name in a namespace, as JSON. */
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
    if (answer.status === 404) throw await this.missing(namespace, answer);
    return this.#decoded(this.#expect(answer, [200]), json => json);
  }

  /** Why a namespace was answered with 404: it does not exist, or what answered is not namerd. */
  async missing(namespace: string, answer?: Answer): Promise<LinkerdTcpError> {
    if (answer !== undefined && isHtml(answer.text)) return notNamerd(answer);
    const names = await this.list();
    const there = names.length === 0 ? 'there are none' : `there are: ${names.slice(0, 10).join(', ')}`;
    const more = names.length > 10 ? `, and ${names.length - 10} more` : '';
    return new LinkerdTcpError('NAMERD_MISSING', {
      namespace,
      url: shownUrl(this.baseUrl.url),
      there: `${there}${more}`,
    });
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

  #expect(answer: Answer, good: readonly number[]): Answer {
    const { url, status, location, challenge, text } = answer;
    // namerd has none: this is a portal, a front end, another port.
    if (isHtml(text) && (good.includes(status) || status === 404))
      throw new LinkerdTcpError('NAMERD_ANSWER', { url, reason: `status ${status} and ${saidIn(text)}` });
    if (good.includes(status)) return answer;
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

  /** A namerd without a history answers with an empty body, this one with a reason. */
  async #withoutHistory({ text }: Answer, namespace: string, version?: string): Promise<LinkerdTcpError> {
    const said = text.trim();
    if ((said === '' || version === undefined) && (await this.versionOf(namespace)) === undefined)
      return this.missing(namespace);
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

/** A 404 that is not about a namespace. */
const notNamerd = ({ url, text }: Answer): LinkerdTcpError =>
  new LinkerdTcpError('NAMERD_ANSWER', { url, reason: `status 404 and ${saidIn(text)}` });

/** A number is trusted: only a namerd that knows the parameter has given one. */
const isVersion = (etag: string, version: string): boolean => etag === version || /^\d+$/.test(version);

function decodeWarnings(json: unknown): readonly string[] {
  const { warnings } = Object(json);
  if (!Array.isArray(warnings)) throw new Error(`expected {"warnings": […]}, found ${brief(json)}`);
  return warnings.map(warning => String(Object(warning).message));
}

const pathOf = (namespace: string): string => `/dtabs/${encodeNamespace(namespace)}`;
