/**
 * Finds what a TypeScript file imports: static, type-only, re-exported, dynamic and `import('…')` types.
 *
 * Comments and the contents of strings are blanked first, so that only code can match; a string's text is then read back
 * from the original at the same offset. Regular expressions are told from divisions by the token before the slash.
 */

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

export function importsOf(source: string): readonly Import[] {
  const code = blankCommentsAndStrings(source);
  const found: Import[] = [];
  // `import x from '…'`, `export … from '…'`, `import '…'`, `import('…')`: the quote survives blanking, its text does not.
  const pattern = /\b(?:(?:import|export)\b(?!\s*[.(])[^;'"`]*?\bfrom|import)\s*\(?\s*(['"`])/g;
  for (const match of code.matchAll(pattern)) {
    const start = match.index + match[0].length;
    const end = code.indexOf(match[1] as string, start);
    if (end < 0) continue;
    found.push({ specifier: source.slice(start, end), line: code.slice(0, match.index).split('\n').length });
  }
  return found;
}

/** The same text with every comment and every string's content turned to spaces; offsets and lines stay. */
function blankCommentsAndStrings(source: string): string {
  const out = source.split('');
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
      at = end;
    } else if (source.startsWith('/*', at)) {
      const end = indexOrEnd(source, '*/', at + 2) + 2;
      blank(at, end);
      at = end;
    } else if (char === "'" || char === '"') {
      const end = endOfQuoted(source, at, char);
      blank(at + 1, end);
      at = end + 1;
    } else if (char === '/' && startsRegularExpression(out, at)) {
      const end = endOfRegularExpression(source, at);
      blank(at, end);
      at = end;
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop();
      const end = endOfTemplateText(source, at + 1);
      blank(at + 1, end);
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
  return out.join('');
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
