/** A dtab as backends store it: its text, in UTF-8. */
import type { Dtab } from '../dtab/dtab.ts';
import { DtabSyntaxError, parseDtab } from '../dtab/parse.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';

/** What is stored as text: a dtab, or why it is none. */
export function readStoredDtab(store: string, namespace: string, text: string): Dtab | LinkerdTcpError {
  try {
    return parseDtab(text);
  } catch (error) {
    return new LinkerdTcpError('STORE_UNREADABLE', { store, namespace, reason: briefReason(error) }, { cause: error });
  }
}

/** With the place of a syntax error in place of the text, which may be long. */
export function briefReason(error: unknown): string {
  if (!(error instanceof DtabSyntaxError)) return reasonOf(error);
  return `${error.brief} at line ${error.line}, column ${error.column}`;
}
