/**
 * Names of namespaces that the embedded stores take: whatever can stand in a URL as one segment and on a line of a terminal.
 * Stores elsewhere have narrower rules of their own.
 */
import { z } from 'zod';

const longest = 255;

/** Why `namespace` is none; undefined when it is one. */
export function namespaceProblem(namespace: string): string | undefined {
  if (namespace === '') return 'it is empty';
  if (namespace === '.' || namespace === '..') return 'no URL can name it';
  if (/[/\p{C}\p{Z}]/u.test(namespace)) return 'it has a slash, white space or a control character';
  if (Buffer.byteLength(namespace) > longest) return `it is longer than ${longest} bytes`;
  return undefined;
}

/** A namespace as a key of a config. */
export const namespaceKey = () =>
  z
    .string()
    .refine(text => namespaceProblem(text) === undefined, { error: 'expected a name without slashes and white space' });
