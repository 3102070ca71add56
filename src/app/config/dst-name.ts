/**
 * What a `dstName` says: one destination, or one for each server name, where it has the variable `{sni}`.
 *
 * A server name, `[a-z0-9._-]+`, is always a legal part of a path, so that a name that was read makes a path whatever is put in.
 */
import { parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';

export interface DstName {
  /** Whether it has `{sni}`. */
  readonly bySni: boolean;
  /** @param serverName lower case; means nothing where there is no `{sni}` */
  dstFor(serverName: string): Path;
}

const variable = '{sni}';

/** As long as the variable, so that what is wrong behind it is told at its place; cannot end an escape, `\x2` before it, say. */
const example = 'sni--';

/** @throws Error with the `offset` where; DtabSyntaxError when it is not a path */
export function parseDstName(text: string): DstName {
  const [before, ...rest] = text.split(variable);
  const stray = text.replaceAll(variable, example).search(/[{}]/);
  if (stray >= 0) throw wrong(strangerAt(text, stray), stray);
  if (rest.length === 0) {
    const path = parsePath(text);
    return { bySni: false, dstFor: () => path };
  }
  if (rest.length > 1) throw wrong(`${variable} stands in it more than once`, text.lastIndexOf(variable));
  const [after] = rest;
  parsePath(before + example + after);
  return { bySni: true, dstFor: serverName => parsePath(before + serverName + after) };
}

function strangerAt(text: string, offset: number): string {
  const [found] = /^\{[^{}]*\}?|^\}/.exec(text.slice(offset)) as RegExpExecArray;
  return `${found} is not known here; the only variable is ${variable}`;
}

const wrong = (message: string, offset: number): Error => Object.assign(new Error(message), { offset });
