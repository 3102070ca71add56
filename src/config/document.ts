/**
 * A configuration text, its plain value, and where in the text each part of the value stands.
 *
 * YAML 1.2 core schema, of which JSON is a part: one reader for both, so both get positions and refuse duplicate keys.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { reasonOf } from '../errors.ts';

/** Keys and indices from the root down to a value. */
export type ValuePath = readonly (string | number)[];

/** Both 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SyntaxProblem {
  readonly at: Position;
  readonly message: string;
}

export class ConfigDocument {
  readonly text: string;
  /** Plain data; `undefined` when the text is not YAML. */
  readonly value: unknown;
  /** Empty when the text is sound. Duplicate keys leave a usable `value`, everything else does not. */
  readonly syntaxProblems: readonly SyntaxProblem[];
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed | undefined;
  readonly #pairs = new WeakMap<YAMLMap, Map<string, Pair>>();

  constructor(text: string) {
    this.text = text;
    const problems: SyntaxProblem[] = [];
    const complain = (offset: number, message: string) => problems.push({ at: this.#at(offset), message });
    try {
      const document = parseDocument(text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        stringKeys: true,
        // Checked here: the library compares every key with every other.
        uniqueKeys: false,
      });
      this.#document = document;
      const faults = [...document.errors, ...document.warnings];
      // Cut short by the stack, the rest of what is said is noise.
      const deep = faults.find(({ message }) => message.includes('call stack'));
      for (const { pos, message, code } of deep === undefined ? withoutFollowing(faults) : [])
        complain(pos[0], said(code, message));
      if (deep !== undefined) complain(deep.pos[0], tooDeep);
      visit(document, {
        Alias: (_, alias) => {
          if (alias.resolve(document) === undefined)
            complain(startOf(alias), `*${alias.source} refers to nothing: no &${alias.source} stands before it`);
        },
      });
      const isWhole = problems.length === 0;
      visit(document, { Map: (_, map) => this.#checkUnique(map, complain) });
      if (isWhole) this.value = document.toJS();
    } catch (error) {
      // Nesting deeper than the stack, and aliases that multiply.
      const reason = reasonOf(error);
      const isBomb = /alias count/i.test(reason);
      complain(0, error instanceof RangeError ? tooDeep : isBomb ? tooManyAliases : decapitalise(reason));
    }
    this.syntaxProblems = problems;
  }

  #checkUnique(map: YAMLMap, complain: (offset: number, message: string) => void): void {
    const known = new Set<string>();
    for (const { key } of map.items) {
      const text = keyText(key);
      if (text === undefined) continue;
      if (known.has(text)) complain(startOf(key as Node), `duplicate key ${text}`);
      known.add(text);
    }
  }

  /** Where the value at `path` begins; the nearest enclosing value when nothing stands at `path`. */
  valuePosition(path: ValuePath): Position {
    return this.#at(startOf(this.#nodeAt(path)));
  }

  /** Where the key that ends `path` stands; falls back to {@link valuePosition}. */
  keyPosition(path: ValuePath): Position {
    const parent = this.#nodeAt(path.slice(0, -1));
    const key = path.at(-1);
    const pair = isMap(parent) ? this.#pairOf(parent, String(key)) : undefined;
    return pair === undefined ? this.valuePosition(path) : this.#at(startOf(pair.key as Node));
  }

  /**
   * Where the UTF-16 unit `offset` of the string at `path` stands. Exact for literal blocks and for strings on one line
   * without escapes; otherwise where the string begins.
   */
  insidePosition(path: ValuePath, offset: number): Position {
    const node = this.#nodeAt(path);
    if (!isScalar(node) || typeof node.value !== 'string' || node.range == null) return this.valuePosition(path);
    const [start, end] = node.range;
    const source = this.text.slice(start, end);
    if (node.type === 'BLOCK_LITERAL') return this.#insideBlock(source, start, node.value.slice(0, offset));
    const quoted = node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE';
    const verbatim = quoted ? source.slice(1, -1) === node.value : source.trimEnd() === node.value;
    return this.#at(verbatim ? start + (quoted ? 1 : 0) + offset : start);
  }

  #insideBlock(source: string, start: number, before: string): Position {
    const lines = source.split('\n').slice(1);
    const indent = lines.find(line => line.trim() !== '')?.search(/\S/) ?? 0;
    const above = before.split('\n');
    return { line: this.#at(start).line + above.length, column: indent + above.at(-1)!.length + 1 };
  }

  #nodeAt(path: ValuePath): Node | undefined {
    let node: Node | undefined = this.#document?.contents ?? undefined;
    for (const key of path) {
      const here = this.#resolve(node);
      const next = isMap(here)
        ? this.#pairOf(here, String(key))?.value
        : isSeq(here)
          ? here.items[key as number]
          : undefined;
      if (next == null) return node;
      node = next as Node;
    }
    return path.length === 0 ? node : (this.#resolve(node) ?? node);
  }

  /** By an index of each mapping: a report may ask for the place of thousands of its keys. */
  #pairOf(map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#pairs.get(map);
    if (pairs === undefined) {
      pairs = new Map();
      for (const pair of map.items) {
        const text = keyText(pair.key);
        if (text !== undefined && !pairs.has(text)) pairs.set(text, pair);
      }
      this.#pairs.set(map, pairs);
    }
    return pairs.get(key);
  }

  #resolve(node: Node | undefined): Node | undefined {
    return isAlias(node) && this.#document !== undefined ? node.resolve(this.#document) : node;
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

const startOf = (node: Node | undefined): number => node?.range?.[0] ?? 0;

const tooDeep = 'nested too deeply';
const tooManyAliases = 'its aliases (*name) multiply into too many values';

/** One mistake of syntax often makes many more behind it: only the first one is reported. */
const syntaxCodes: ReadonlySet<string> = new Set([
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'BLOCK_IN_FLOW',
  'IMPOSSIBLE',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'UNEXPECTED_TOKEN',
]);

function withoutFollowing<F extends { readonly code: string; readonly pos: readonly [number, number] }>(
  faults: readonly F[],
): readonly F[] {
  const first = faults
    .filter(({ code }) => syntaxCodes.has(code))
    .toSorted((a, b) => a.pos[0] - b.pos[0])
    .at(0);
  return faults.filter(fault => !syntaxCodes.has(fault.code) || fault === first);
}

/** Messages of the library that are meant for programmers, in the operator's words. */
function said(code: string, message: string): string {
  const unclosed = /must be sufficiently indented and end with a (.)$|missing closing (["'])quote/i.exec(message);
  if (unclosed !== null) return `missing ${unclosed[1] ?? unclosed[2]}: a list, a mapping or a text is not closed`;
  if (code === 'NON_STRING_KEY') return 'expected a string as key';
  if (code === 'MULTIPLE_DOCS')
    return 'a second document starts here: a configuration is one document, remove the "---"';
  if (code === 'UNEXPECTED_TOKEN' && message.startsWith('Unexpected ') && message.endsWith(' at node end'))
    return 'unexpected characters after a value: put a value with special characters in quotes';
  return decapitalise(message);
}

const decapitalise = (message: string): string =>
  /^[A-Z][a-z]/.test(message) ? message[0].toLowerCase() + message.slice(1) : message;
