/** The tokens of one interface of namerd, those in files included: each is readable, and no token or name occurs twice. */

import { tokensIn } from '../../clients/namerd/token.ts';
import type { ValuePath } from '../../config/document.ts';
import { type Problem, pathText } from '../../config/problem.ts';
import { reasonOf } from '../../errors.ts';
import { Reading } from '../../tls/reading.ts';
import { entries, textAt } from '../shared/places.ts';

type Complain = (problem: Problem) => void;

export function checkTokens(root: unknown, list: ValuePath, complain: Complain): void {
  const names = new Map<string, ValuePath>();
  const tokens = new Map<string, ValuePath>();
  /** Reports the place of the first one. */
  const once = (known: Map<string, ValuePath>, text: string, path: ValuePath, what: string) => {
    const first = known.get(text);
    if (first === undefined) known.set(text, path);
    else complain({ path, message: `${what} is already used by ${pathText(first)}` });
  };
  for (const place of entries(root, list)) {
    const name = [...place, 'name'];
    const nameText = textAt(root, name);
    if (nameText !== undefined) once(names, nameText, name, 'the name');
    const inline = [...place, 'token'];
    const inlineText = textAt(root, inline);
    if (inlineText !== undefined) once(tokens, inlineText, inline, 'the token');
    const file = [...place, 'tokenFile'];
    for (const token of tokensAt(root, file, complain)) once(tokens, token, file, 'the token');
  }
}

function tokensAt(root: unknown, path: ValuePath, complain: Complain): readonly string[] {
  const file = textAt(root, path);
  if (file === undefined || file === '') return [];
  const reading = new Reading();
  const bytes = reading.read(file, path);
  for (const { message } of reading.problems) complain({ path, message });
  if (bytes === undefined) return [];
  try {
    return tokensIn(bytes.toString('utf8'));
  } catch (error) {
    complain({ path, message: `cannot use ${file}: ${reasonOf(error)}` });
    return [];
  }
}
