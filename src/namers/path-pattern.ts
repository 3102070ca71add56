/**
 * Patterns over paths: `/svc/{name}.{zone}/*` captures parts of labels, and templates put what was captured into a new path.
 *
 * A pattern stands for the leading labels of a path; what follows is ignored. `*` matches any one label. In a label with
 * captures, a capture takes as much as it can, then the next one does; text before the first and after the last piece of literal
 * text is not looked at (`{a}.com` matches `x.com.au`). Greedy matching without backtracking: literals are placed from the right.
 */
import { labelOf, type Path } from '../dtab/path.ts';

export type Captures = ReadonlyMap<string, string>;

export class PatternSyntaxError extends Error {}

/** `literals[0] {captures[0]} literals[1] … {captures[n-1]} literals[n]` */
interface Segment {
  readonly literals: readonly string[];
  readonly captures: readonly string[];
}

const capture = /\{([a-zA-Z0-9.:_-]+)\}/;

export class PathPattern {
  readonly #segments: readonly (Segment | undefined)[];

  /** @throws PatternSyntaxError */
  constructor(text: string) {
    this.#segments = split(text).map(part => (part === '*' ? undefined : segmentOf(part)));
    const names = this.names;
    const repeated = names.find((name, i) => names.indexOf(name) !== i);
    if (repeated !== undefined) throw new PatternSyntaxError(`captures {${repeated}} twice`);
  }

  get names(): readonly string[] {
    return this.#segments.flatMap(segment => segment?.captures ?? []);
  }

  match(path: Path): Captures | undefined {
    if (path.length < this.#segments.length) return undefined;
    const captures = new Map<string, string>();
    const isMatch = this.#segments.every(
      (segment, i) => segment === undefined || matchLabel(segment, path[i], captures),
    );
    return isMatch ? captures : undefined;
  }
}

export class PathTemplate {
  readonly #segments: readonly Segment[];

  /** @throws PatternSyntaxError */
  constructor(text: string) {
    this.#segments = split(text).map(segmentOf);
  }

  get names(): readonly string[] {
    return this.#segments.flatMap(segment => segment.captures);
  }

  /** `undefined` where an empty capture leaves a label without bytes. */
  fill(captures: Captures): Path | undefined {
    const path = this.#segments.map(({ literals, captures: names }) =>
      literals.map((literal, i) => literal + (i < names.length ? captures.get(names[i]) : '')).join(''),
    );
    return path.includes('') ? undefined : path;
  }
}

function matchLabel({ literals, captures }: Segment, label: string, into: Map<string, string>): boolean {
  if (captures.length === 0) return label === literals[0];
  const first = label.indexOf(literals[0]);
  if (first < 0) return false;
  const start = first + literals[0].length;
  let end = label.length;
  for (let i = captures.length; i > 0; i--) {
    const latest = end - literals[i].length;
    const at = latest < start ? -1 : label.lastIndexOf(literals[i], latest);
    if (at < start) return false;
    if (i < captures.length) into.set(captures[i], label.slice(at + literals[i].length, end));
    end = at;
  }
  into.set(captures[0], label.slice(start, end));
  return true;
}

function split(text: string): readonly string[] {
  if (!text.startsWith('/')) throw new PatternSyntaxError('must start with /');
  if (text === '/') return [];
  const parts = text.slice(1).split('/');
  if (parts.includes('')) throw new PatternSyntaxError('has an empty segment');
  return parts;
}

function segmentOf(text: string): Segment {
  const pieces = text.split(capture);
  const literals = pieces.filter((_, i) => i % 2 === 0).map(literal);
  return { literals, captures: pieces.filter((_, i) => i % 2 === 1) };
}

/** Text as the bytes of a label; `\xhh` is one byte, as in the dtab language. */
function literal(text: string): string {
  if (/[{}]/.test(text)) throw new PatternSyntaxError(`has a brace that is no {name}: ${text}`);
  return text
    .split(/(\\x[0-9a-fA-F]{2})/)
    .map((piece, i) => (i % 2 === 1 ? String.fromCharCode(Number.parseInt(piece.slice(2), 16)) : labelOf(piece)))
    .join('');
}
