/** Turns what the schema library complains about into problems an operator can act on. */
import type { z } from 'zod';
import type { ValuePath } from './document.ts';
import { knownKeys } from './known-keys.ts';
import { describe, type Problem, valueAt } from './problem.ts';
import { nearest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Explanations for words that the schema lacks: keys of other programs, kinds that were removed. */
export interface Vocabulary {
  /** Explains `key`, unknown inside the mapping at `parent`. */
  key?(parent: ValuePath, key: string, root: unknown): string | undefined;
  /** Explains `kind`, unknown at `path` (which ends in `kind`). */
  kind?(path: ValuePath, kind: string): string | undefined;
}

const mergeKey = 'YAML merge keys are not supported; write the keys themselves';

export function explain(
  schema: z.core.$ZodType,
  root: unknown,
  issues: readonly Issue[],
  vocabulary: Vocabulary = {},
): Problem[] {
  /** Places of keys that were misspelt rather than missing. */
  const misspelt = new Set<string>();
  const problems = issues.flatMap(issue => explainIssue(issue, issue.path as ValuePath));
  return problems.filter(({ path, message }) => !(message.startsWith('missing') && misspelt.has(JSON.stringify(path))));

  function explainIssue(issue: Issue, path: ValuePath): Problem[] {
    const found = valueAt(root, path);
    switch (issue.code) {
      case 'unrecognized_keys':
        return unknownKeys(path, issue.keys);
      case 'invalid_union':
        return 'discriminator' in issue && issue.discriminator !== undefined
          ? [unknownKind(path, found, issue)]
          : explainUnion(issue.errors, path, found);
      case 'invalid_key':
        return issue.issues.map(inner => ({ path, onKey: true, message: `as a key: ${lacking(inner, path.at(-1))}` }));
      case 'custom':
        return [{ path, message: issue.message, offset: offsetOf(issue) }];
      default:
        return [{ path, message: lacking(issue, found) }];
    }
  }

  /** Of all unknown keys of one mapping: there may be thousands. */
  function unknownKeys(parent: ValuePath, keys: readonly string[]): Problem[] {
    const present = valueAt(root, parent) as object;
    const known = knownKeys(schema, root, parent).filter(name => !Object.hasOwn(present, name));
    return keys.map(key => unknownKey(parent, key, known));
  }

  function unknownKey(parent: ValuePath, key: string, known: readonly string[]): Problem {
    const explained = key === '<<' ? mergeKey : vocabulary.key?.(parent, key, root);
    const meant = explained === undefined ? nearest(key, known) : undefined;
    if (meant !== undefined) misspelt.add(JSON.stringify([...parent, meant]));
    const next =
      explained ?? (meant !== undefined ? `did you mean ${meant}?` : `keys that may be added here: ${listing(known)}`);
    return { path: [...parent, key], onKey: true, message: `unknown key; ${next}` };
  }

  function unknownKind(path: ValuePath, found: unknown, issue: Issue): Problem {
    const offered = 'options' in issue ? (issue.options as unknown[]) : [];
    const known = offered.filter(option => typeof option === 'string');
    if (found === undefined) return { path, message: `missing; expected one of ${listing(known)}` };
    if (typeof found !== 'string')
      return { path, message: `expected one of ${listing(known)}, found ${describe(found)}` };
    const explained = vocabulary.kind?.(path, found);
    if (explained !== undefined) return { path, message: `${found}: ${explained}` };
    const meant = nearest(found, known);
    const next = meant === undefined ? `expected one of ${listing(known)}` : `did you mean ${meant}?`;
    return { path, message: `unknown ${path.at(-1)} ${describe(found)}; ${next}` };
  }

  /** Of a union without a discriminator, the branch that went furthest speaks; when none got inside, all do. */
  function explainUnion(branches: readonly (readonly Issue[])[], path: ValuePath, found: unknown): Problem[] {
    const inside = branches.filter(branch =>
      branch.every(issue => issue.code !== 'invalid_type' || issue.path.length > 0),
    );
    if (inside.length > 0) {
      const [first] = inside.toSorted((a, b) => a.length - b.length);
      return first.flatMap(issue => explainIssue(issue, [...path, ...(issue.path as ValuePath)]));
    }
    const expected = branches.flatMap(branch => branch.slice(0, 1).map(wanted));
    return [{ path, message: missingOr(`expected ${[...new Set(expected)].join(' or ')}`, found) }];
  }
}

const missingOr = (expected: string, found: unknown): string =>
  found === undefined ? `missing; ${expected}` : `${expected}, found ${describe(found)}`;

const lacking = (issue: Issue, found: unknown): string =>
  missingOr(issue.message.startsWith('expected ') ? issue.message : `expected ${wanted(issue)}`, found);

const nouns: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
  null: 'nothing',
};

const parts: Readonly<Record<string, string>> = { string: 'characters', array: 'entries', object: 'keys' };

function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return nouns[issue.expected] ?? `a ${issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${listing(issue.values.map(String))}`;
    case 'too_small':
      return bound(issue.origin, issue.inclusive ? 'at least' : 'more than', String(issue.minimum));
    case 'too_big':
      return bound(issue.origin, issue.inclusive ? 'at most' : 'less than', String(issue.maximum));
    case 'invalid_format':
      return issue.format === 'regex' ? `text like ${issue.pattern}` : `text in the format "${issue.format}"`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
}

function bound(origin: string, comparison: string, limit: string): string {
  return origin in parts ? `${comparison} ${limit} ${parts[origin]}` : `a number of ${comparison} ${limit}`;
}

const listing = (words: readonly string[]): string => (words.length === 0 ? 'nothing' : words.join(', '));

function offsetOf(issue: Issue): number | undefined {
  const offset = issue.code === 'custom' ? issue.params?.offset : undefined;
  return typeof offset === 'number' ? offset : undefined;
}
