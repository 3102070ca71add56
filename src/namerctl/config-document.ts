/** A configuration file that is JSON or YAML. */
import { ConfigDocument } from '../config/document.ts';
import { describe } from '../config/problem.ts';
import { keyOf, type SettingKey, unknownKey, type Values, wrong } from './setting-keys.ts';

export function fromDocument(file: string, text: string): Values {
  const document = new ConfigDocument(text);
  const [problem] = document.syntaxProblems;
  if (problem) return wrong(file, problem.at, problem.message);
  const { value } = document;
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    return wrong(file, document.valuePosition([]), `expected a mapping, found ${describe(value)}`);
  const values: Partial<Record<SettingKey, string>> = {};
  for (const [word, found] of Object.entries(value)) {
    const key = keyOf(word);
    if (key === undefined) return wrong(file, document.keyPosition([word]), unknownKey(word));
    if (typeof found !== 'string') {
      const expected = key === 'base-url' ? 'a URL' : 'the name of a file';
      return wrong(file, document.valuePosition([word]), `${word}: expected ${expected}, found ${describe(found)}`);
    }
    values[key] = found;
  }
  return values;
}
