/**
 * Divides TypeScript source into code, comments and strings, without parsing it.
 *
 * The token before a slash decides whether a regular expression or a division begins there.
 */

export interface Span {
  /** The text between two quotes, or a part of a template between `${…}`, is a string. */
  readonly kind: 'comment' | 'string';
  readonly start: number;
  readonly end: number;
}

export interface SourceText {
  /** The source with every comment, regular expression and string content replaced by spaces; offsets and lines stay. */
  readonly code: string;
  readonly spans: readonly Span[];
}

export function readSource(source: string): SourceText {
  const out = source.split('');
  const spans: Span[] = [];
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  /** Depth of braces at which each enclosing template literal's `${` was opened. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < source.length) {
    const char = source[at] as string;
    if (source.startsWith('//', at)) {
      const end = indexOrEnd(source, '\n', at);
      blank(at, end);
      spans.push({ kind: 'comment', start: at, end });
      at = end;
    } else if (source.startsWith('/*', at)) {
      const end = indexOrEnd(source, '*/', at + 2) + 2;
      blank(at, end);
      spans.push({ kind: 'comment', start: at, end });
      at = end;
    } else if (char === "'" || char === '"') {
      const end = endOfQuoted(source, at, char);
      blank(at + 1, end);
      spans.push({ kind: 'string', start: at + 1, end });
      at = end + 1;
    } else if (char === '/' && startsRegularExpression(out, at)) {
      const end = endOfRegularExpression(source, at);
      blank(at, end);
      at = end;
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop();
      const end = endOfTemplateText(source, at + 1);
      blank(at + 1, end);
      spans.push({ kind: 'string', start: at + 1, end });
      at = end + 1;
      if (source[end] === '$') {
        templates.push(depth);
        at++;
      }
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      at++;
    }
  }
  return { code: out.join(''), spans };
}

function indexOrEnd(source: string, what: string, from: number): number {
  const index = source.indexOf(what, from);
  return index < 0 ? source.length : index;
}

/** Offset of the closing quote (or of the line's end, in broken code). */
function endOfQuoted(source: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < source.length && source[at] !== quote && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1;
  return at;
}

/** Offset of the closing backtick or of the `$` of the next `${`. */
function endOfTemplateText(source: string, start: number): number {
  let at = start;
  while (at < source.length && source[at] !== '`' && !source.startsWith('${', at)) at += source[at] === '\\' ? 2 : 1;
  return at;
}

/** A slash begins a regular expression unless a value stands before it. */
function startsRegularExpression(before: readonly string[], at: number): boolean {
  const text = before
    .slice(Math.max(0, at - 40), at)
    .join('')
    .trimEnd();
  if (/\b(?:return|typeof|case|of|in|yield|await)$/.test(text)) return true;
  return text === '' || !/[\w$)\]}'"`]$/.test(text);
}

function endOfRegularExpression(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < source.length && source[at] !== '\n') {
    const char = source[at];
    if (char === '\\') at++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) return at + 1;
    at++;
  }
  return at;
}
