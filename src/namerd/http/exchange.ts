/** A request to the API as its routes see it, and what they make of it: an answer, or a stream of documents. */
import type { Observable } from 'rxjs';
import type { Dtab } from '../../dtab/dtab.ts';
import { parseDtab, parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import type { Principal } from '../access/access.ts';

/** What a request asks for, known before its body is read. */
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
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Status 200 at once, then each document on a line; a failure is a line of text, and the end. */
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

/** Query parameter `dtab`, behind the stored dtab and stronger than it. @throws LinkerdTcpError DTAB_INVALID */
export function dtabOf(request: ApiRequest): Dtab {
  return readDtab(request.query.get('dtab') ?? '');
}

export function readPath(text: string): Path {
  try {
    return parsePath(text);
  } catch (error) {
    throw new LinkerdTcpError('NAME_INVALID', { path: text, reason: reasonOf(error) }, { cause: error });
  }
}

export function readDtab(text: string): Dtab {
  try {
    return parseDtab(text);
  } catch (error) {
    throw new LinkerdTcpError('DTAB_INVALID', { reason: reasonOf(error) }, { cause: error });
  }
}

/** A parameter that is a switch. */
export function isOn({ query }: RequestHead, name: string): boolean {
  return /^(1|t|true)$/i.test(query.get(name) ?? '');
}
