/** What every decoder of a JSON document shares. Each check throws an Error that says where the document is wrong. */

import { parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { reasonOf } from '../../errors.ts';

/** Deeper than any tree that binding makes, shallow enough for every recursive walk. */
const maxNesting = 1000;

export function nodeAt(json: unknown, at: string, nesting: number): Record<string, unknown> {
  // The place would be as long as the nesting is deep.
  if (nesting > maxNesting) throw new Error(`the tree is nested more than ${maxNesting} deep`);
  return objectAt(json, at);
}

export function objectAt(json: unknown, at: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return unexpected(at, 'an object', json);
  return json as Record<string, unknown>;
}

export function arrayAt(json: unknown, at: string): readonly unknown[] {
  return Array.isArray(json) ? json : unexpected(at, 'a list', json);
}

export function stringAt(json: unknown, at: string): string {
  return typeof json === 'string' ? json : unexpected(at, 'a string', json);
}

export function pathAt(json: unknown, at: string): Path {
  return parsedAt(json, at, parsePath);
}

export function parsedAt<T>(json: unknown, at: string, parse: (text: string) => T): T {
  const text = stringAt(json, at);
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`${at}: ${reasonOf(error)}`);
  }
}

export function unexpected(at: string, expected: string, found: unknown): never {
  const shown = found === undefined ? 'nothing' : JSON.stringify(found);
  throw new Error(`${at}: expected ${expected}, found ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}`);
}

export function branchesAt<T>(
  json: unknown,
  at: string,
  decode: (tree: unknown, at: string) => T,
): { readonly weight: number; readonly tree: T }[] {
  return arrayAt(json, at).map((branch, i) => {
    const { weight, tree } = objectAt(branch, `${at}[${i}]`);
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
      return unexpected(`${at}[${i}].weight`, 'a number that is not negative', weight);
    return { weight, tree: decode(tree, `${at}[${i}].tree`) };
  });
}
