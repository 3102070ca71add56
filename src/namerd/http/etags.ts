/**
 * Versions of dtabs in headers: the store's bytes in base64, without the quotes that RFC 9110 puts around an entity tag, as
 * clients of Linkerd 1.x expect. Read with or without quotes, and in lists.
 */
import { LinkerdTcpError } from '../../errors.ts';
import type { Version, VersionedDtab } from '../../stores/store.ts';
import { type ApiRequest, header } from './exchange.ts';

export const etagOf = (version: Version): string => Buffer.from(version).toString('base64');

/** For text that is not a version of this store: a version that matches nothing. */
export function versionOf(etag: string): Version {
  const bare = etag.trim().replace(/^(?:W\/)?"(.*)"$/s, '$1');
  return new Uint8Array(Buffer.from(bare, 'base64'));
}

/** A version as people name it: its number in the history, or an entity tag. */
export const versionKey = (text: string): number | Version =>
  /^\d{1,15}$/.test(text) ? Number(text) : versionOf(text);

export const sameVersion = (a: Version, b: Version): boolean => Buffer.compare(a, b) === 0;

/** Which versions a request may replace, by its headers If-Match and If-None-Match (RFC 9110, section 13.1). */
export type Precondition =
  | { readonly type: 'none' }
  /** The namespace must not exist. */
  | { readonly type: 'absent' }
  /** It must exist, in whichever version. */
  | { readonly type: 'present' }
  | { readonly type: 'oneOf'; readonly versions: readonly Version[] };

/** @throws LinkerdTcpError REQUEST_INVALID for versions in If-None-Match, which a write has no use for */
export function preconditionOf(request: ApiRequest): Precondition {
  const noneMatch = header(request, 'if-none-match')?.trim();
  if (noneMatch !== undefined && noneMatch !== '*')
    throw new LinkerdTcpError('REQUEST_INVALID', {
      reason: 'If-None-Match of a write can only be *: the namespace must not exist',
    });
  const match = header(request, 'if-match')?.trim();
  if (noneMatch === '*' && match !== undefined)
    throw new LinkerdTcpError('REQUEST_INVALID', { reason: 'If-Match and If-None-Match exclude each other' });
  if (noneMatch === '*') return { type: 'absent' };
  if (match === undefined) return { type: 'none' };
  return match === '*' ? { type: 'present' } : { type: 'oneOf', versions: versionsIn(match) };
}

/** Whether a reader has this version already, by If-None-Match. */
export function isKnown(request: ApiRequest, { version }: Pick<VersionedDtab, 'version'>): boolean {
  const known = header(request, 'if-none-match')?.trim();
  if (known === undefined) return false;
  return known === '*' || versionsIn(known).some(each => sameVersion(each, version));
}

const versionsIn = (list: string): readonly Version[] => {
  const tags = list.match(/(?:W\/)?"[^"]*"|[^\s,]+/g) ?? [''];
  return tags.map(versionOf);
};
