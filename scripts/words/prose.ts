/**
 * Finds the sentences that people read: documentation, comments, messages and test titles.
 *
 * Code is blank in the result and offsets stay, so that a match's offset gives its line.
 */
import { readSource } from '../source-text.ts';

export interface Passage {
  readonly text: string;
  /** Offset of the text in the file. */
  readonly start: number;
}

export function proseOf(path: string, content: string): readonly Passage[] {
  if (path.endsWith('.md')) return [{ text: markdownProse(content), start: 0 }];
  if (path.endsWith('.ts')) return typescriptProse(content, path.startsWith('test/'));
  return hashComments(content);
}

/** Without code, addresses and HTML tags. */
function markdownProse(content: string): string {
  return content
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, blank)
    .replace(/(`+)[^`][\s\S]*?\1/g, blank)
    .replace(/\]\([^)]*\)/g, blank)
    .replace(/<[^>\n]*>|https?:\S+/g, blank);
}

/** Comments, and strings of several words. In tests most strings are data: only the titles count. */
function typescriptProse(content: string, isTest: boolean): readonly Passage[] {
  const { code, spans } = readSource(content);
  return spans.flatMap(({ kind, start, end }): readonly Passage[] => {
    const raw = content.slice(start, end);
    if (kind === 'comment') return [{ text: commentProse(raw), start }];
    const isMessage = isTest ? isTitle(code.slice(0, start - 1)) : /[A-Za-z] [A-Za-z]/.test(raw);
    // A word that touches an interpolation is only a part of one.
    const touches = (offset: number): string => (/[{}$]/.test(content[offset] ?? '') ? '$' : ' ');
    return isMessage ? [{ text: `${touches(start - 1)}${raw}${touches(end)}`, start: start - 1 }] : [];
  });
}

const isTitle = (before: string): boolean => /\b(?:test|storeContract|describe)\(\s*$/.test(before);

function commentProse(comment: string): string {
  return comment
    .replace(/^\/\*\*?|\*\/$|^\s*\*(?=\s|$)|^\/\//gm, blank)
    .replace(/(`+)[^`]*?\1|\{@link[^}]*\}|@\w+|https?:\S+/g, blank)
    .replace(/^[^\n]*[|─│→]{1}[^\n]*[|─│][^\n]*$/gm, blank);
}

/** Of YAML, dtabs and shell scripts. */
function hashComments(content: string): readonly Passage[] {
  return Array.from(content.matchAll(/(?<=^|\s)#\s[^\n]*/gm), match => ({
    text: commentProse(match[0]),
    start: match.index,
  }));
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

export function lineAt(content: string, offset: number): number {
  return content.slice(0, offset).split('\n').length;
}
