/** Keys that were renamed: a configuration may still use the former name, with a warning. */
import { z } from 'zod';
import type { Problem } from './problem.ts';
import { mapFields, type Schema } from './schema-walk.ts';

/** Present names by former ones, of the mapping that has them. */
const formerKeys = z.registry<{ readonly names: Readonly<Record<string, string>> }>();

/** Marks the mapping `schema` as one whose keys had other names. */
export function withFormerKeys<S extends z.ZodObject>(schema: S, names: Readonly<Record<string, string>>): S {
  formerKeys.add(schema, { names });
  return schema;
}

/** `value` with present names only. A key that is there under both names stays, and the schema refuses the former one. */
export const renameKeys = (schema: Schema, value: unknown, warn: (problem: Problem) => void): unknown =>
  mapFields(schema, value, ({ schema: each, value: mapping, path }) => {
    const names = formerKeys.get(each as z.ZodType)?.names;
    if (names === undefined || typeof mapping !== 'object' || mapping === null || Array.isArray(mapping))
      return mapping;
    const entries = Object.entries(mapping).map(([key, part]) => {
      const name = Object.hasOwn(names, key) ? names[key] : key;
      if (name === key || Object.hasOwn(mapping, name)) return [key, part] as const;
      warn({ path: [...path, key], onKey: true, severity: 'warning', message: `renamed; use ${name}` });
      return [name, part] as const;
    });
    return Object.fromEntries(entries);
  });
