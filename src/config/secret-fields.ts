/** Secrets in a configuration: fields whose values are never shown. */
import { z } from 'zod';
import { mapFields, type Schema } from './schema-walk.ts';

export const hidden = '(hidden)';

interface SecretField {
  /** Whether it is one beside these other keys. */
  readonly when: (siblings: Readonly<Record<string, unknown>>) => boolean;
}

/** Of the innermost schema: a wrapper such as `optional` hides it no more than it hides the value. */
const secretFields = z.registry<SecretField>();

/** Marks `schema` as that of a secret. */
export function secret<S extends z.ZodType>(schema: S, field: SecretField = { when: () => true }): S {
  secretFields.add(schema, field);
  return schema;
}

/** `config` with its secrets replaced by `(hidden)`. */
export const hideSecrets = (schema: Schema, config: unknown): unknown =>
  mapFields(schema, config, ({ schema: each, value, parent }) => {
    const field = secretFields.get(each as z.ZodType);
    if (field === undefined || value === undefined) return value;
    return field.when((parent ?? {}) as Record<string, unknown>) ? hidden : value;
  });
