/**
 * Dtabs as namerd's JSON has them: pairs of texts. They stay texts, so that what a command did not touch goes back as it came.
 */
import { parseDtab, parsePrefix, parseTree } from '../dtab/parse.ts';
import { showPrefix, showTree } from '../dtab/show.ts';

export interface ShownDentry {
  readonly prefix: string;
  readonly dst: string;
}

export type ShownDtab = readonly ShownDentry[];

export interface StoredDtab {
  /** Opaque; undefined where the server does not say. */
  readonly version: string | undefined;
  readonly dtab: ShownDtab;
}

/** Null entries are skipped. @throws Error where `json` is not a list of dentries */
export function decodeDtab(json: unknown): ShownDtab {
  if (!Array.isArray(json)) throw new Error(`expected a list of dentries, found ${brief(json)}`);
  return json
    .filter(entry => entry !== null)
    .map((entry, i) => {
      const { prefix, dst } = Object(entry);
      if (typeof prefix === 'string' && typeof dst === 'string') return { prefix, dst };
      throw new Error(`dentry ${i}: expected {"prefix": …, "dst": …}, found ${brief(entry)}`);
    });
}

export const brief = (json: unknown): string => {
  const text = JSON.stringify(json) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

/** Dtab text in the shown form. @throws DtabSyntaxError */
export function shownDtab(text: string): ShownDtab {
  return parseDtab(text).map(({ prefix, dst }) => ({ prefix: showPrefix(prefix), dst: showTree(dst) }));
}

/** One spelling for dentries that mean the same, so that `90 * /a` and `90.00* /a` are no difference. */
export function normalDentry({ prefix, dst }: ShownDentry): ShownDentry {
  try {
    return { prefix: showPrefix(parsePrefix(prefix)), dst: showTree(parseTree(dst)) };
  } catch {
    // The server stores text that this parser does not understand: compare the text.
    return { prefix, dst };
  }
}
