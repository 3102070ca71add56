/**
 * Dtabs that clients send: parsed in slices, with a bound on a single rule, which is parsed in one step.
 *
 * The bound counts the text between semicolons, comments included.
 */
import type { Dentry, Dtab } from '../../dtab/dtab.ts';
import { parseDentries } from '../../dtab/parse.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Sliced } from './sliced.ts';

/** Some 20 000 alternatives: 10 ms of parsing. */
export const maxRuleChars = 65_536;

/** @throws LinkerdTcpError DTAB_INVALID */
export function* parsingDtab(text: string): Sliced<Dtab> {
  try {
    checkRuleLengths(text);
    const rules: Dentry[] = [];
    for (const rule of parseDentries(text)) {
      rules.push(rule);
      yield;
    }
    return rules;
  } catch (error) {
    throw invalidDtab(error);
  }
}

/** @throws Error for a rule that is too long to be parsed in one step */
export function checkRuleLengths(text: string, what = 'a rule'): void {
  for (let start = 0; start < text.length; ) {
    const semicolon = text.indexOf(';', start);
    const end = semicolon < 0 ? text.length : semicolon;
    if (end - start > maxRuleChars)
      throw new Error(`${what} is longer than ${maxRuleChars} characters: divide it into several`);
    start = end + 1;
  }
}

export const invalidDtab = (error: unknown): LinkerdTcpError =>
  error instanceof LinkerdTcpError
    ? error
    : new LinkerdTcpError('DTAB_INVALID', { reason: briefReason(error) }, { cause: error });

const maxReasonChars = 300;

/** A reason may quote what was sent: of a long one the beginning is enough. */
export function briefReason(error: unknown): string {
  const reason = reasonOf(error);
  return reason.length <= maxReasonChars ? reason : `${reason.slice(0, maxReasonChars)}…`;
}
