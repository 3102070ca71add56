/** Finds misspelled words with Hunspell, in American or British English, less the words of the project in words.txt. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../debian-packages.ts';
import type { Passage } from './prose.ts';

export interface Word {
  readonly word: string;
  /** Offset in the file. */
  readonly at: number;
}

const projectWords = join(import.meta.dirname, 'words.txt');
/** Identifiers, paths, addresses and the like are not words. */
const plainWord = /^[("'“‘*-]*(?<word>[A-Za-z]?[a-z]{2,}(?:['’-][a-z]+)*)[)"'”’*,.;:!?…-]*$/;

export function wordsOf(passages: readonly Passage[]): readonly Word[] {
  return passages.flatMap(({ text, start }) =>
    Array.from(text.matchAll(/\S+/g)).flatMap(({ 0: token, index }) => {
      const word = plainWord.exec(token)?.groups?.['word'];
      return word === undefined
        ? []
        : [{ word: word.replaceAll('’', "'"), at: start + index + token.indexOf(word[0] as string) }];
    }),
  );
}

/** One word on each line; case matters only where the line has capitals. */
export function readProjectWords(text = readFileSync(projectWords, 'utf8')): ReadonlySet<string> {
  return new Set(text.split('\n').filter(line => line !== '' && !line.startsWith('#')));
}

/** @returns those of `words` that neither a dictionary nor the project knows */
export function misspelled(words: ReadonlySet<string>, known: ReadonlySet<string>): ReadonlySet<string> {
  const isKnown = (word: string): boolean =>
    [word, word.toLowerCase(), word.replace(/'s$/, ''), word.replace(/'s$/, '').toLowerCase()].some(form =>
      known.has(form),
    );
  const parts = new Map([...words].map(word => [word, word.split('-').filter(part => !isKnown(part))]));
  const asked = [...new Set([...parts.values()].flat())];
  const program = findProgram('hunspell');
  if (program === undefined)
    throw new Error('hunspell is not installed; `npm test` installs it or prints the command that does');
  const args = ['-l', '-i', 'utf-8', '-d', 'en_US,en_GB'];
  const { status, stdout, stderr } = spawnSync(program, args, { input: asked.join('\n'), encoding: 'utf8' });
  if (status !== 0) throw new Error(`hunspell failed: ${stderr}`);
  const wrong = new Set(stdout.split('\n'));
  return new Set([...words].filter(word => !isKnown(word) && parts.get(word)?.some(part => wrong.has(part))));
}
