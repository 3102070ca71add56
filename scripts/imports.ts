/**
 * Finds what a TypeScript file imports: static, type-only, re-exported, dynamic and `import('…')` types.
 *
 * Only code can match: comments and the contents of strings are blank in it. A string's text is then read from the original at
 * the same offset.
 */
import { readSource } from './source-text.ts';

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

export function importsOf(source: string): readonly Import[] {
  const { code } = readSource(source);
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
