/** Walking a value together with its schema: which keys are known at a place, and which field each part of the value is. */
import type { z } from 'zod';
import type { ValuePath } from './document.ts';

export type Schema = z.core.$ZodType;

/** A part of a value and the innermost schema for it, without wrappers such as `optional`. */
export interface Field {
  readonly schema: Schema;
  readonly value: unknown;
  readonly path: ValuePath;
  /** The mapping or list it is in. */
  readonly parent: unknown;
}

/**
 * `value` with every field replaced by the result of `change`, outer fields before inner ones. Accepts values of any shape: parts
 * that do not fit the schema stay as they are.
 */
export function mapFields(schema: Schema, value: unknown, change: (field: Field) => unknown): unknown {
  return mapped({ schema, value, path: [], parent: undefined });

  function mapped(field: Field): unknown {
    return alternatives(field.schema, field.value).reduce(
      (now, schema) => inside({ ...field, schema, value: change({ ...field, schema, value: now }) }),
      field.value,
    );
  }

  function inside({ schema, value, path }: Field): unknown {
    if (Array.isArray(value)) return value.map((each, i) => part(schema, value, path, i, each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, part(schema, value, path, key, each)]));
  }

  function part(schema: Schema, parent: unknown, path: ValuePath, key: string | number, value: unknown): unknown {
    const place = [...path, key];
    return child(schema, key).reduce((now, each) => mapped({ schema: each, value: now, path: place, parent }), value);
  }
}

/** All fields of `value`. */
export function fieldsOf(schema: Schema, value: unknown): readonly Field[] {
  const found: Field[] = [];
  mapFields(schema, value, field => {
    found.push(field);
    return field.value;
  });
  return found;
}

export const definition = (schema: Schema) => (schema as z.core.$ZodTypes)._zod.def;

export function child(schema: Schema, key: string | number): Schema[] {
  const def = definition(schema);
  if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key]] : [];
  if (def.type === 'array') return [def.element];
  return def.type === 'record' ? [def.valueType] : [];
}

/** The schema without its wrappers; several where the value may be one of several things. */
export function alternatives(schema: Schema, value: unknown): Schema[] {
  const def = definition(schema);
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return alternatives(def.innerType, value);
    case 'lazy':
      return alternatives(def.getter(), value);
    case 'pipe':
      return alternatives(definition(def.in).type === 'transform' ? def.out : def.in, value);
    case 'union': {
      const discriminator = 'discriminator' in def ? (def.discriminator as string) : undefined;
      const tag = discriminator === undefined ? undefined : (value as Record<string, unknown> | null)?.[discriminator];
      const options =
        discriminator === undefined ? def.options : def.options.filter(option => accepts(option, discriminator, tag));
      return options.flatMap(option => alternatives(option, value));
    }
    default:
      return [schema];
  }
}

function accepts(option: Schema, discriminator: string, tag: unknown): boolean {
  return option._zod.propValues?.[discriminator]?.has(tag as string) ?? false;
}
