/**
 * Paths and their labels.
 *
 * A label is a non-empty sequence of *bytes*, stored as a string in which every UTF-16 unit is one byte (0..255), so that comparing
 * strings compares bytes. Convert from and to Unicode with {@link labelOf} and {@link textOf}.
 */
export type Path = readonly string[];

/** The bytes of `text` (UTF-8) as a label. */
export function labelOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The Unicode text whose UTF-8 bytes a label holds; invalid sequences become U+FFFD. */
export function textOf(label: string): string {
  return Buffer.from(label, 'latin1').toString('utf8');
}

export function startsWith(path: Path, prefix: Path): boolean {
  return prefix.length <= path.length && prefix.every((label, i) => label === path[i]);
}

export function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && startsWith(a, b);
}
