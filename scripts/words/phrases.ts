/**
 * Phrases that readers would have to translate, and what to write instead. See "Plain English" in CONTRIBUTING.md.
 *
 * A space in a pattern also matches a line break.
 */
import type { Passage } from './prose.ts';

export interface Phrase {
  readonly pattern: RegExp;
  readonly instead: string;
}

const phrase = (pattern: string, instead: string, flags = 'gi'): Phrase => ({
  pattern: new RegExp(pattern.replaceAll(' ', '\\s+'), flags),
  instead,
});

const be = '(?:is|are|was|were|be|been|being)';

export const phrases: readonly Phrase[] = [
  phrase(
    '\\b(?:who(?:so)?ever|nobody|somebody|everybody|anybody)\\b',
    'name the actor: the client, the operator, a process',
  ),
  phrase(
    '(?<=^[^\\w$;:]*|[.!?] |\\n[^\\S\\n]*\\n[^\\w:;]*)(?:who|what) (?![^.?]*\\?)[a-z]+',
    'name the subject instead of "who …" or "what …"',
  ),
  phrase(`\\b${be} told\\b`, 'is notified, receives, is reported'),
  phrase('\\b(?:can|could|cannot|may|must|to) be had\\b', 'is available'),
  phrase('\\bg(?:ive|ives|iven|ave|iving) back\\b', 'return, release'),
  phrase('\\bfor ever\\b', 'forever, without limit'),
  phrase('\\bmend(?:s|ed|ing)?\\b', 'fix'),
  phrase('\\bfolders?\\b', 'directory'),
  phrase('\\bleft alone\\b', 'not changed'),
  phrase('\\bspares?\\b', 'idle pool, idle connection'),
  phrase('\\btroubles?\\b', 'failure, problem'),
  phrase('\\b(?:good|known|watched|reachable|believed) again\\b', 'recovered'),
  phrase('\\b(?:told as|came of it|somebody else)\\b', 'metric, result, another process'),
  phrase('\\b(?:is|are|was|were|falls?|fell|goes|went|gone) silent\\b', 'is unresponsive, stops responding'),
  phrase('\\bleads? nowhere\\b|\\b(?:means?|names?) nothing\\b', 'does not resolve'),
  phrase('\\b(?:is|are|was|were) (?:away|gone)\\b', 'is unreachable, was removed'),
  phrase('\\b(?:leaves?|leaving|left) out\\b', 'omit; for endpoints: eject'),
  phrase('\\bbe it\\b|\\bas such\\b|\\bever so\\b|\\bin vain\\b', 'leave it away, or say it plainly'),
  phrase('\\b(?:stands?|stood) between\\b', 'name the proxy, the firewall, the load balancer'),
  phrase('\\bwhere (?:one|it|they) leads?\\b|\\bwhere there (?:is|are)\\b', 'if'),
  phrase('\\bsaid in the log\\b', 'is logged'),
  phrase('\\bsays? (?:what|which|why)\\b', 'reports, names, explains'),
  phrase(`\\b${be} warned of\\b`, 'the program logs a warning'),
  phrase('\\b(?:un)?believe[sd]?\\b', 'trust, accept'),
  phrase('\\bpatien(?:ce|t|tly)\\b', 'timeout'),
  phrase('\\b(?:we|our|ours)\\b|(?<![µ\\d]\\s?)\\b(?-i:us)\\b', 'name the program'),
  phrase('\\b(?:go|goes|going|went) on\\b', 'continue, stay in effect'),
  phrase(
    '\\b(?:ends?|ended|begins?|begun) TLS\\b|\\bTLS (?:is )?(?:ended|begun)\\b',
    'terminate, originate, pass through',
  ),
  phrase('\\bpresent (?:version|state|value)\\b', 'current'),
];

export interface Offence {
  /** Offset in the file. */
  readonly at: number;
  readonly found: string;
  readonly instead: string;
}

export function findPhrases(passages: readonly Passage[]): readonly Offence[] {
  return passages.flatMap(({ text, start }) =>
    phrases.flatMap(({ pattern, instead }) =>
      Array.from(text.matchAll(pattern), match => ({
        at: start + match.index + (match[0].length - match[0].trimStart().length),
        found: match[0].trim().replace(/\s+/g, ' '),
        instead,
      })),
    ),
  );
}
