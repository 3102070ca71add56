/** Counts the offences of each file against plain English and compares them with what is still allowed. */
import { findPhrases } from './phrases.ts';
import { lineAt, proseOf } from './prose.ts';
import { misspelled, type Word, wordsOf } from './spelling.ts';

export interface TextFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly content: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly problem: string;
}

/** How many findings a file may have; a file that is missing may have none. */
export type Allowed = Readonly<Record<string, number>>;

export function findAll(files: readonly TextFile[], projectWords: ReadonlySet<string>): readonly Finding[] {
  const findings: Finding[] = [];
  const words: { readonly file: TextFile; readonly word: Word }[] = [];
  for (const file of files) {
    const passages = proseOf(file.path, file.content);
    for (const word of wordsOf(passages)) words.push({ file, word });
    for (const { at, found, instead } of findPhrases(passages))
      findings.push({ path: file.path, line: lineAt(file.content, at), problem: `"${found}": write ${instead}` });
  }
  const wrong = misspelled(new Set(words.map(({ word }) => word.word)), projectWords);
  for (const { file, word } of words.filter(({ word }) => wrong.has(word.word))) {
    const problem = `"${word.word}": not in the dictionary; if it is right, add it to scripts/words/words.txt`;
    findings.push({ path: file.path, line: lineAt(file.content, word.at), problem });
  }
  return findings.toSorted((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
}

/** The findings of the files that have more than they may. */
export function findExcess(findings: readonly Finding[], allowed: Allowed): readonly Finding[] {
  return [...Map.groupBy(findings, ({ path }) => path)].flatMap(([path, own]) =>
    own.length > (allowed[path] ?? 0) ? own : [],
  );
}

/** The allowance from now on: for each file the number of its findings, but never more than before. */
export function tightened(findings: readonly Finding[], allowed: Allowed): Allowed {
  const counts = Map.groupBy(findings, ({ path }) => path);
  const entries = Object.entries(allowed).map(
    ([path, most]) => [path, Math.min(most, counts.get(path)?.length ?? 0)] as const,
  );
  return Object.fromEntries(entries.filter(([, most]) => most > 0));
}
