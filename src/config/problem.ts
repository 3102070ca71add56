/** One thing wrong with a configuration, before it is located in the text. */
import type { ValuePath } from './document.ts';

export interface Problem {
  readonly path: ValuePath;
  /** The expected and the actual value; starts in lower case, no full stop. */
  readonly message: string;
  /** Point at the last key of `path` instead of its value. */
  readonly onKey?: boolean;
  /** Point at this UTF-16 unit of the string at `path`. */
  readonly offset?: number;
  /** A warning does not keep the configuration from being used; anything else does. */
  readonly severity?: 'warning';
}

/** `routers[0].servers[1].dstName`; empty for the root. */
export function pathText(path: ValuePath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w$-]+$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

/** The type of a value, in the words of a YAML file. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}

export function valueAt(root: unknown, path: ValuePath): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}
