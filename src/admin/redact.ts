/**
 * A configuration as JSON, without values that look like secrets.
 *
 * The secrets of the built-in kinds are marked in their schemas and hidden before this sees them (config/secret-fields.ts). This
 * is the safety net: third-party kinds may have forgotten to mark theirs. Hidden are texts under keys that name a secret (unless
 * the key names a file), private keys given as PEM text, and passwords and tokens in URLs.
 */
import { hidden } from '../config/secret-fields.ts';
import type { Json } from './json.ts';

const secretKey =
  /pass(word|wd|phrase|code)?$|secret|token|credential|authorization|api[-_]?key|access[-_]?key|private[-_]?key|cookie/i;
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
  if (!secretKey.test(key) || fileKey.test(key)) return false;
  if (Array.isArray(value)) return value.length > 0 && value.every(each => typeof each === 'string');
  // `privateKey` is the path of a PEM file; text of more than one line would be the key itself.
  if (key === 'privateKey') return typeof value === 'string' && value.includes('\n');
  return typeof value === 'string' || typeof value === 'number';
}
