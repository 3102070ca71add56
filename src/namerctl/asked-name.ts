/** What `explain`, `bind` and `resolve` have in common: a path, in a namespace, perhaps with more dentries. */
import { DtabSyntaxError, parseDtab, parsePath } from '../dtab/parse.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';
import { extraDtabFlag, namespaceFlag, namespaceOf } from './arguments.ts';
import type { Argument, Flag, Flags } from './command-spec.ts';
import type { Session } from './session.ts';

export const pathArgument: Argument = { name: 'path', description: 'a name, /svc/web' };
export const nameFlags: readonly Flag[] = [namespaceFlag, extraDtabFlag];

export interface AskedName {
  readonly namespace: string;
  readonly path: string;
  readonly json: unknown;
}

/** @throws LinkerdTcpError USAGE_INVALID before anything is sent */
export async function askName(
  session: Session,
  endpoint: 'bind' | 'resolve' | 'delegate',
  word: string,
  flags: Flags,
): Promise<AskedName> {
  const namespace = namespaceOf(flags);
  const path = checked('path', word, text => showPath(parsePath(text)));
  const dtab = flags.dtab as string | undefined;
  if (dtab !== undefined) checked('--dtab', dtab, parseDtab);
  return { namespace, path, json: await session.api.name(endpoint, namespace, path, dtab) };
}

function checked<T>(what: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof DtabSyntaxError)) throw error;
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `${what}: ${error.message}` }, { cause: error });
  }
}

/** The decoded answer. @throws LinkerdTcpError NAMERD_ANSWER */
export function understood<T>(session: Session, endpoint: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw session.api.unexpected(endpoint, error instanceof Error ? error.message : String(error));
  }
}
