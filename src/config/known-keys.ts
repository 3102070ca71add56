/** Which keys a schema knows at a place of a value; unions are narrowed by their discriminator. */
import type { z } from 'zod';
import type { ValuePath } from './document.ts';

type Schema = z.core.$ZodType;

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

const definition = (schema: Schema) => (schema as z.core.$ZodTypes)._zod.def;

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const def = definition(schema);
  return def.type === 'object' ? def.shape : undefined;
}

function child(schema: Schema, key: string | number): Schema[] {
  const def = definition(schema);
  if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key]] : [];
  if (def.type === 'array') return [def.element];
  return def.type === 'record' ? [def.valueType] : [];
}

/** The schema without its wrappers; several where the value may be one of several things. */
function alternatives(schema: Schema, value: unknown): Schema[] {
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
