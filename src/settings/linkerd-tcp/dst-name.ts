/**
 * A `dstName`: one destination, or, with a variable, one for each name that clients ask for.
 *
 * A name stands in a label of the path as it is, whatever bytes it has: it cannot make another label.
 */
import { parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import type { NameSource } from '../../proxy/messages.ts';

export interface DstName {
  /** The variable it has, without braces; null when it has none. */
  readonly variable: NameSource | null;
  /** @param name ignored without a variable */
  dstFor(name: string): Path;
}

const variables = ['sni', 'clientCn', 'clientSan'] as const satisfies readonly NameSource[];

/** @throws Error with the `offset` where; DtabSyntaxError when it is not a path */
export function parseDstName(text: string): DstName {
  const found = [...text.matchAll(/\{[^{}]*\}?|\}/g)];
  const stranger = found.find(([name]) => variableOf(name) === undefined);
  if (stranger) throw wrong(`${stranger[0]} is not known here; the variables are ${known}`, stranger.index);
  if (found.length > 1) throw wrong('more than one variable; a name can have one', found[1].index);
  if (found.length === 0) {
    const path = parsePath(text);
    return { variable: null, dstFor: () => path };
  }
  const [{ 0: written, index }] = found;
  const mark = markFor(text, written.length);
  const labels = parsePath(text.slice(0, index) + mark + text.slice(index + written.length));
  const variable = variableOf(written) as NameSource;
  return { variable, dstFor: name => labels.map(label => label.replace(mark, () => bytesOf(name))) };
}

const known = variables.map(name => `{${name}}`).join(', ');

const variableOf = (written: string): NameSource | undefined => variables.find(name => written === `{${name}}`);

/**
 * Stands for the variable while the path is parsed: nothing else of the text, as long as the variable, so that what is wrong behind it
 * is told at its place, and not the end of an escape, `\\x2` before it, say.
 */
function markFor(text: string, length: number): string {
  for (let n = 0; ; n++) {
    const mark = `-${n}`.padEnd(length, '-');
    if (!text.includes(mark)) return mark;
  }
}

/** Labels have one UTF-16 unit for each byte. */
const bytesOf = (name: string): string => Buffer.from(name, 'utf8').toString('latin1');

const wrong = (message: string, offset: number): Error => Object.assign(new Error(message), { offset });
