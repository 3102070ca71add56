/**
 * Versions of dtabs in headers: the store's bytes in base64, without the quotes that RFC 9110 puts around an entity tag, as
 * clients of Linkerd 1.x expect. Taken back with or without quotes.
 */
import type { Version } from '../../stores/store.ts';

export const etagOf = (version: Version): string => Buffer.from(version).toString('base64');

/** What is no version of ours is one that matches nothing. */
export function versionOf(etag: string): Version {
  const bare = etag.trim().replace(/^(?:W\/)?"(.*)"$/s, '$1');
  return new Uint8Array(Buffer.from(bare, 'base64'));
}

export const sameVersion = (a: Version, b: Version): boolean => Buffer.compare(a, b) === 0;
