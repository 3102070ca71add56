/**
 * A config without its secrets.
 *
 * Hidden are values of keys that name a secret (but not those that only say which file it is in), private keys given as PEM
 * text, and the password of a URL. A list or object under such a key is hidden whole, but for namerd's `auth`, which names its
 * tokens and what they may do.
 */
import type { Json } from './json.ts';

export const hidden = '(hidden)';

const secretKey =
  /pass(word|wd|phrase|code)?$|secret|token|credential|^auth$|authorization|api[-_]?key|access[-_]?key|private[-_]?key|cookie/i;
const fileKey = /(file|path|dir)s?$/i;
const privateKeyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** `//user:password@` */
const urlPassword = /(\/\/[^/?#\s:@]*):[^/?#\s]*@/g;
const urlParameter = /([?&][^=&#\s]*(?:token|secret|password|passwd|api[-_]?key|access[-_]?key)[^=&#\s]*=)[^&#\s]*/gi;

export function redact(value: unknown): Json {
  if (Array.isArray(value)) {
    return value.map(redact);
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, each]) => each !== undefined)
        .map(([key, each]) => [key, isSecret(key, each) ? hidden : redact(each)]),
    );
  }
  if (typeof value === 'string') {
    return privateKeyBlock.test(value)
      ? hidden
      : value.replace(urlPassword, `$1:${hidden}@`).replace(urlParameter, `$1${hidden}`);
  }
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : String(value);
}

function isSecret(key: string, value: unknown): boolean {
  if (!secretKey.test(key) || fileKey.test(key) || value === null || typeof value === 'boolean') {
    return false;
  }
  if ((key === 'auth' && isRights(value)) || (key === 'tokens' && isTokenList(value))) return false;
  // `privateKey` is the path of a PEM file; text of more than one line would be the key itself.
  return !(/^privateKey$/.test(key) && typeof value === 'string' && !value.includes('\n'));
}

const isRights = (value: unknown): boolean =>
  isMapping(value) && Object.keys(value).every(key => key === 'anonymous' || key === 'tokens');

const isTokenList = (value: unknown): boolean =>
  Array.isArray(value) && value.every(each => isMapping(each) && typeof each['name'] === 'string');

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
