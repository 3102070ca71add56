/**
 * The forms of a dtab in bodies: text of the dtab language, or JSON; which one is said by Content-Type and asked by Accept.
 *
 * Accept is taken in its order: quality values and other parameters do not count, as clients of Linkerd 1.x expect.
 */
import type { Dtab } from '../../dtab/dtab.ts';
import { parseDtab, parsePrefix, parseTree } from '../../dtab/parse.ts';
import { showDtab, showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { JsonDentry } from './shapes.ts';

export interface DtabCodec {
  readonly mediaType: string;
  /** One line. */
  write(dtab: Dtab): string;
  /** @throws anything, with a reason in its message */
  read(text: string): Dtab;
}

export const jsonDentries = (dtab: Dtab): JsonDentry[] =>
  dtab.map(({ prefix, dst }) => ({ prefix: showPrefix(prefix), dst: showTree(dst) }));

const text = (mediaType: string): DtabCodec => ({ mediaType, write: showDtab, read: parseDtab });

const json: DtabCodec = {
  mediaType: 'application/json',
  write: dtab => JSON.stringify(jsonDentries(dtab)),
  read: body => readDentries(JSON.parse(body)),
};

const codecs = [json, text('application/dtab'), text('text/plain')];

/** For the header Accept; JSON where it asks for nothing we have. */
export function codecFor(accept: string | undefined): DtabCodec {
  const wanted = (accept ?? '').split(',').map(mediaTypeOf);
  for (const mediaType of wanted) {
    const found = codecs.find(codec => codec.mediaType === mediaType);
    if (found) return found;
  }
  return json;
}

/** For the header Content-Type; undefined where there is none, or none that we know. */
export function codecOf(contentType: string | undefined): DtabCodec | undefined {
  const mediaType = mediaTypeOf(contentType ?? '');
  return codecs.find(codec => codec.mediaType === mediaType);
}

/** @throws LinkerdTcpError DTAB_INVALID */
export function readBody(codec: DtabCodec, body: string): Dtab {
  try {
    return codec.read(body);
  } catch (error) {
    throw new LinkerdTcpError('DTAB_INVALID', { reason: reasonOf(error) }, { cause: error });
  }
}

const mediaTypeOf = (value: string): string => value.split(';', 1)[0].trim().toLowerCase();

function readDentries(document: unknown): Dtab {
  if (!Array.isArray(document)) throw new Error('expected a list of {"prefix", "dst"}');
  return document.map((entry: unknown, i) => {
    if (typeof entry !== 'object' || entry === null)
      throw new Error(`[${i}]: expected {"prefix", "dst"}, found ${entry}`);
    const { prefix, dst, ...unknown } = entry as Readonly<Record<string, unknown>>;
    const [extra] = Object.keys(unknown);
    if (extra !== undefined) throw new Error(`[${i}]: unknown field ${JSON.stringify(extra)}`);
    return {
      prefix: readText(prefix, `[${i}].prefix`, parsePrefix),
      dst: readText(dst, `[${i}].dst`, parseTree),
    };
  });
}

function readText<T>(value: unknown, place: string, parse: (text: string) => T): T {
  if (typeof value !== 'string') throw new Error(`${place}: expected a string`);
  try {
    return parse(value);
  } catch (error) {
    throw new Error(`${place}: ${reasonOf(error)}`);
  }
}
