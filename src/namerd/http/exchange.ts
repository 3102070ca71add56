/** A request to the API as its routes see it, and their result: an answer, or a stream of documents. */
import type { Observable } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import type { Principal } from '../access/access.ts';
import { briefReason, parsingDtab } from '../core/dtab-text.ts';
import { atOnce } from '../core/sliced.ts';

/** The part of a request that is known before its body is read. */
export interface RequestHead {
  readonly method: string;
  /** As it was sent: not percent-decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface ApiRequest extends RequestHead {
  readonly principal: Principal;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** Name for the history, of a token or a client certificate. */
  readonly author?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Status 200 at once, then one document per line; a failure is a line of text, and ends the stream. */
export interface Watching {
  readonly headers: Readonly<Record<string, string>>;
  readonly documents: Observable<Activity<string>>;
}

export type Outcome = Answer | Watching;

export const json = (document: unknown): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(document)}\n`,
});

export function header(request: ApiRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : value?.join(',');
}

/** Query parameter `path`. @throws LinkerdTcpError PARAMETER_MISSING or NAME_INVALID */
export function pathOf(request: ApiRequest): Path {
  const text = request.query.get('path');
  if (text === null)
    throw new LinkerdTcpError('PARAMETER_MISSING', { name: 'path', hint: `${request.path}?path=/svc/web` });
  return readPath(text);
}

/** Query parameter `dtab`: appended to the stored dtab, so it wins. The size of a URL bounds it. @throws LinkerdTcpError DTAB_INVALID */
export function dtabOf(request: ApiRequest): Dtab {
  return atOnce(parsingDtab(request.query.get('dtab') ?? ''));
}

export function readPath(text: string): Path {
  try {
    return parsePath(text);
  } catch (error) {
    throw new LinkerdTcpError(
      'NAME_INVALID',
      { path: text.slice(0, 200), reason: briefReason(error) },
      { cause: error },
    );
  }
}

/** A parameter that is on or off; without a value it is on. @throws LinkerdTcpError REQUEST_INVALID for any other value */
export function isOn(head: RequestHead, name: string): boolean {
  const isOn = switchOf(head, name);
  if (isOn !== undefined) return isOn;
  throw new LinkerdTcpError('REQUEST_INVALID', {
    reason: `query parameter ${name} is ${JSON.stringify(head.query.get(name)!.slice(0, 40))}; expected true or false`,
  });
}

/** The same for decisions before authentication: undefined for any other value. */
export function switchOf({ query }: RequestHead, name: string): boolean | undefined {
  const value = query.get(name);
  if (value === null || /^(0|f|false)$/i.test(value)) return false;
  return /^(|1|t|true)$/i.test(value) ? true : undefined;
}
