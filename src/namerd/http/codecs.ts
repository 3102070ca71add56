/**
 * The forms of a dtab in bodies: text of the dtab language, or JSON, by Content-Type and Accept.
 *
 * The order of Accept counts: quality values and other parameters do not count, as clients of Linkerd 1.x expect.
 */
import type { Dentry, Dtab } from '../../dtab/dtab.ts';
import { parsePrefix, parseTree } from '../../dtab/parse.ts';
import { showDtab, showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { briefReason, checkRuleLengths, invalidDtab, parsingDtab } from '../core/dtab-text.ts';
import type { Sliced, Slices } from '../core/sliced.ts';
import { type ApiRequest, header } from './exchange.ts';
import { memoizeByObject } from './memoize-by-object.ts';
import type { JsonDentry } from './shapes.ts';

export interface DtabCodec {
  readonly mediaType: string;
  /** One line. */
  write(dtab: Dtab): string;
  /** The line of a watch for the deletion of the namespace. */
  deletion(namespace: string): string;
  /** @throws LinkerdTcpError DTAB_INVALID */
  read(body: string): Sliced<Dtab>;
}

export const jsonDentries = (dtab: Dtab): JsonDentry[] =>
  dtab.map(({ prefix, dst }) => ({ prefix: showPrefix(prefix), dst: showTree(dst) }));

const text = (mediaType: string): DtabCodec => ({
  mediaType,
  write: memoizeByObject(showDtab),
  deletion: namespace => `# namespace ${namespace} was deleted`,
  read: readText,
});

const json: DtabCodec = {
  mediaType: 'application/json',
  write: memoizeByObject(dtab => JSON.stringify(jsonDentries(dtab))),
  deletion: () => 'null',
  read: readJson,
};

const codecs = [json, text('application/dtab'), text('text/plain')];

/** For the header Accept; JSON if it has no known media type. */
export function codecFor(accept: string | undefined): DtabCodec {
  const wanted = (accept ?? '').split(',').map(mediaTypeOf);
  for (const mediaType of wanted) {
    const found = codecs.find(codec => codec.mediaType === mediaType);
    if (found) return found;
  }
  return json;
}

/** The dtab in the body. @throws LinkerdTcpError REQUEST_INVALID for an unknown Content-Type, or DTAB_INVALID */
export async function requestDtab(request: ApiRequest, slices: Slices): Promise<Dtab> {
  return slices.run(requestCodec(request).read(request.body));
}

/** The dtab of an empty body of text. @throws LinkerdTcpError REQUEST_INVALID or DTAB_INVALID */
export function emptyDtab(request: ApiRequest): Dtab {
  if (requestCodec(request) === json) throw invalidDtab(new Error('the body is empty; an empty dtab is []'));
  return [];
}

function requestCodec(request: ApiRequest): DtabCodec {
  const contentType = header(request, 'content-type') ?? '';
  const mediaType = mediaTypeOf(contentType);
  const codec = codecs.find(each => each.mediaType === mediaType);
  if (codec !== undefined) return codec;
  const expected = codecs.map(each => each.mediaType).join(', ');
  throw new LinkerdTcpError('REQUEST_INVALID', {
    reason: `Invalid Content-Type "${contentType.slice(0, 100)}". Expected one of ${expected}`,
  });
}

export const mediaTypeOf = (value: string): string => value.split(';', 1)[0].trim().toLowerCase();

/** An upload that went wrong is often empty, or one long comment: it must not empty a namespace. */
function* readText(body: string): Sliced<Dtab> {
  const dtab = yield* parsingDtab(body);
  if (dtab.length === 0)
    throw invalidDtab(new Error('the body has no rules; to store an empty dtab, send [] as application/json'));
  return dtab;
}

function* readJson(body: string): Sliced<Dtab> {
  try {
    const document: unknown = JSON.parse(body);
    if (!Array.isArray(document)) throw new Error('expected a list of {"prefix", "dst"}');
    const dtab: Dentry[] = [];
    for (const [i, entry] of document.entries()) {
      dtab.push(readDentry(entry, i));
      yield;
    }
    return dtab;
  } catch (error) {
    throw invalidDtab(error);
  }
}

function readDentry(entry: unknown, i: number): Dentry {
  if (typeof entry !== 'object' || entry === null)
    throw new Error(`[${i}]: expected {"prefix", "dst"}, found ${entry}`);
  const { prefix, dst, ...unknown } = entry as Readonly<Record<string, unknown>>;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw new Error(`[${i}]: unknown field ${JSON.stringify(extra)}`);
  return {
    prefix: readField(prefix, `[${i}].prefix`, parsePrefix),
    dst: readField(dst, `[${i}].dst`, parseTree),
  };
}

function readField<T>(value: unknown, place: string, parse: (text: string) => T): T {
  if (typeof value !== 'string') throw new Error(`${place}: expected a string`);
  checkRuleLengths(value, place);
  try {
    return parse(value);
  } catch (error) {
    throw new Error(`${place}: ${briefReason(error)}`);
  }
}
