/** Which keys a schema knows at a place of a value; unions are narrowed by their discriminator. */
import type { ValuePath } from './document.ts';
import { alternatives, child, definition, type Schema } from './schema-walk.ts';

/** Keys of the mappings allowed at `path` inside `value`. */
export function knownKeys(schema: Schema, value: unknown, path: ValuePath): string[] {
  let here = alternatives(schema, value);
  let at = value;
  for (const key of path) {
    at = typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[key] : undefined;
    here = here.flatMap(candidate => child(candidate, key)).flatMap(candidate => alternatives(candidate, at));
  }
  return [...new Set(here.flatMap(candidate => Object.keys(shapeOf(candidate) ?? {})))];
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const def = definition(schema);
  return def.type === 'object' ? def.shape : undefined;
}
