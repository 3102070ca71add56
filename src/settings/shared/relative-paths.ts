/** Paths in a configuration start from the folder of its file. */
import { resolve } from 'node:path';

/**
 * `value` with the texts at `places` made absolute; whatever has another shape stays as it is. In a place, `[]` is any entry of a
 * list and `{}` any value of a mapping. `-` is standard output, and stays.
 */
export const resolvePaths = (value: unknown, folder: string, places: readonly (readonly string[])[]): unknown =>
  places.reduce(
    (whole, place) => changeAt(whole, place, path => (path === '-' || path === '' ? path : resolve(folder, path))),
    value,
  );

function changeAt(value: unknown, place: readonly string[], change: (text: string) => string): unknown {
  if (place.length === 0) return typeof value === 'string' ? change(value) : value;
  const [key, ...rest] = place;
  if (key === '[]') return Array.isArray(value) ? value.map(entry => changeAt(entry, rest, change)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (key === '{}')
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, changeAt(each, rest, change)]));
  if (!Object.hasOwn(value, key)) return value;
  return { ...value, [key]: changeAt((value as Record<string, unknown>)[key], rest, change) };
}
