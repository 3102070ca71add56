/** Label sets as the text between the braces of a series: sorted by key, values escaped. Equal text means the same series. */
import { families, type MetricName } from './families.ts';

export type Labels = Readonly<Record<string, string>>;

/** @throws Error if the keys are not those of the family; this is a bug, never an operator's mistake */
export function labelText(name: MetricName, labels: Labels): string {
  const keys = Object.keys(labels).sort();
  const expected: readonly string[] = families[name].labels;
  if (keys.length !== expected.length || keys.some((key, i) => key !== expected[i])) {
    throw new Error(`${name} has the labels [${expected.join(', ')}], not [${keys.join(', ')}]`);
  }
  return keys.map(key => `${key}="${escapeValue(labels[key])}"`).join(',');
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\0': '\ufffd' };

/** Prometheus' lexer treats NUL as the end of the text, even inside quotes. */
const escapeValue = (value: string): string => value.toWellFormed().replace(/[\\"\n\0]/g, each => escapes[each]);
