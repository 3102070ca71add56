/** A dtab as backends store it: its text, in UTF-8. */
import type { Dtab } from '../dtab/dtab.ts';
import { parseDtab } from '../dtab/parse.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';

/** What is stored as text: a dtab, or why it is none. */
export function readStoredDtab(store: string, namespace: string, text: string): Dtab | LinkerdTcpError {
  try {
    return parseDtab(text);
  } catch (error) {
    return new LinkerdTcpError('STORE_UNREADABLE', { store, namespace, reason: reasonOf(error) }, { cause: error });
  }
}
