/**
 * Names of namespaces: what can be read is wide, what can be created is narrow.
 *
 * A new name has only characters that mean nothing to a shell, in a URL, or in the syntax of a token's rights. Namespaces that
 * older versions or other programs created under other names stay readable, writable and deletable. Backends narrow this further.
 */
import { z } from 'zod';

const maxBytes = 255;

/** Why no namespace can have this name; undefined when one can. */
export function namespaceProblem(namespace: string): string | undefined {
  if (namespace === '') return 'the name is empty';
  if (namespace === '.' || namespace === '..') return 'no URL can contain this name';
  if (/[/\p{C}\p{Z}]/u.test(namespace)) return 'the name has a slash, white space or a control character';
  if (Buffer.byteLength(namespace) > maxBytes) return `the name is longer than ${maxBytes} bytes`;
  return undefined;
}

/** Why no namespace of this name can be created; undefined when one can. */
export function newNamespaceProblem(namespace: string): string | undefined {
  const problem = namespaceProblem(namespace);
  if (problem !== undefined) return problem;
  return /^[A-Za-z0-9._~@:+-]+$/.test(namespace)
    ? undefined
    : 'a new name may have letters, digits and the characters . _ ~ @ : + -';
}

/** A namespace as a key of a config. */
export const namespaceKey = () =>
  z.string().refine(text => newNamespaceProblem(text) === undefined, {
    error: 'expected a name of letters, digits and the characters . _ ~ @ : + -',
  });
