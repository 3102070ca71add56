/**
 * Prefixes of `io.l5d.static` entries: segment-wise, `*` is any one segment, `{name}` captures inside one segment.
 *
 * `/svc` matches `/svc` and `/svc/x`, never `/svcx`; `/` matches everything. Source: Linkerd 1.x `PathMatcher`, restated.
 */
import { type Path, textOf } from '../../dtab/path.ts';

export interface PrefixPattern {
  /** Names of what it captures. */
  readonly variables: readonly string[];
  /** The captures when the pattern is a prefix of `path`, else undefined. */
  match(path: Path): Readonly<Record<string, string>> | undefined;
}

const variable = /\{([A-Za-z_]\w*)\}/;

/** @throws Error saying what is wrong, with the `offset` where */
export function parsePrefixPattern(text: string): PrefixPattern {
  if (!text.startsWith('/')) throw wrong("it must begin with '/'", 0);
  let offset = 1;
  const segments = text === '/' ? [] : text.slice(1).split('/');
  const tests = segments.map(segment => {
    if (segment === '') throw wrong('a segment is empty', offset);
    const test = parseSegment(segment, offset);
    offset += segment.length + 1;
    return test;
  });
  return {
    variables: [...text.matchAll(new RegExp(variable, 'g'))].map(found => found[1]),
    match(path) {
      const captured: Record<string, string> = {};
      const matches = tests.length <= path.length && tests.every((test, i) => test(textOf(path[i]), captured));
      return matches ? captured : undefined;
    },
  };
}

type SegmentTest = (text: string, captured: Record<string, string>) => boolean;

function parseSegment(segment: string, offset: number): SegmentTest {
  if (segment === '*') return () => true;
  const pieces = segment.split(variable);
  // Odd pieces are the variables' names.
  const literals = pieces.filter((_, i) => i % 2 === 0);
  const names = pieces.filter((_, i) => i % 2 === 1);
  const stray = segment.search(/[{}*]/);
  if (literals.some(literal => /[{}*]/.test(literal)))
    throw wrong("'*' stands for a whole segment, a variable is written {name}", offset + stray);
  if (names.length === 0) return text => text === segment;
  const pattern = new RegExp(
    `^${literals.map(literal => literal.replace(/[\\^$.|?+()[\]]/g, '\\$&')).join('(.*)')}$`,
    's',
  );
  return (text, captured) => {
    const found = pattern.exec(text);
    names.forEach((name, i) => {
      if (found !== null) captured[name] = found[i + 1];
    });
    return found !== null;
  };
}

const wrong = (message: string, offset: number): Error => Object.assign(new Error(message), { offset });
