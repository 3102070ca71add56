/** How dtabs are printed: byte for byte as the original's `list` and `get` do. */
import type { ShownDtab, StoredDtab } from './stored-dtab.ts';

/** The version line, then one dentry per line with its arrows below each other. */
export function prettyDtab({ version, dtab }: StoredDtab): string {
  return (
    (version ? `# version ${version}\n` : '') +
    alignedLines(dtab)
      .map(line => `${line}\n`)
      .join('')
  );
}

/** @param width of the longest prefix, where other dentries are to line up too */
export function alignedLines(dtab: ShownDtab, width = longestPrefix(dtab)): string[] {
  return dtab.map(({ prefix, dst }) => `${prefix.padEnd(width)}  => ${dst} ;`);
}

export const longestPrefix = (dtab: ShownDtab): number =>
  dtab.reduce((longest, { prefix }) => Math.max(longest, prefix.length), 0);

/** Everything on one line, without the version. */
export const denseDtab = (dtab: ShownDtab): string =>
  `${dtab.map(({ prefix, dst }) => `${prefix}=>${dst};`).join('')}\n`;

/** One JSON document on a line. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

export const jsonDtab = ({ version, dtab }: StoredDtab): string =>
  jsonLine({ version: version ?? '', dtab: dtab.map(({ prefix, dst }) => ({ prefix, dst })) });
