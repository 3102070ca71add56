/**
 * How much one explanation may grow.
 *
 * Every node of an explanation repeats its path and the rule that led to it, so a wide rule costs the square of its width unless
 * both are bounded. The cost of a tree is charged before the tree is built, and the first tree that does not fit ends the
 * explanation: nothing is looked up or measured after that.
 */
import type { Dentry } from '../dtab/dtab.ts';
import { type NameTree, sizeOf } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { LinkerdTcpError } from '../errors.ts';
import { maxLookups } from './binder.ts';

const maxNodes = 5000;
const maxCharacters = 4_000_000;

/** Longer rules are not repeated on every node: see {@link partOf}. */
const maxRepeatedRule = 1000;

/** Field names, quotes and weights of one node as JSON. */
const charactersPerNode = 100;

export class ExplanationSize {
  #lookups = 0;
  #nodes = 0;
  #characters = 0;
  #isFull = false;

  /** @returns whether one more name may be looked up */
  addLookup(): boolean {
    return this.#fits(++this.#lookups <= maxLookups);
  }

  /** @returns whether the nodes that `rules` add may be shown for a path with these characters */
  addRules(rules: readonly Dentry[], path: Path): boolean {
    let fits = this.#add(0, 0);
    for (const rule of rules) fits = fits && this.#add(...costOf(rule, charactersOf(path)));
    return fits;
  }

  /** @returns whether the nodes of a namer's answer may be shown; each of them shows `path` and `dentry` */
  addTree(tree: NameTree<unknown>, path: Path, dentry: Dentry | undefined): boolean {
    const nodes = sizeOf(tree);
    const shown = charactersOf(path) + (dentry === undefined ? 0 : measure(dentry).characters);
    return this.#add(nodes, nodes * (charactersPerNode + shown));
  }

  get error(): LinkerdTcpError {
    return new LinkerdTcpError('EXPLANATION_TOO_LARGE', { lookups: maxLookups, nodes: maxNodes });
  }

  #add(nodes: number, characters: number): boolean {
    this.#nodes += nodes;
    this.#characters += characters;
    return this.#fits(this.#nodes <= maxNodes && this.#characters <= maxCharacters);
  }

  #fits(fits: boolean): boolean {
    this.#isFull ||= !fits;
    return !this.#isFull;
  }
}

/**
 * The rule that a node shows: the whole rule, or, where that is long, the rule with no other destination than the one that the
 * node is about. Absent for the inner nodes of a long rule.
 */
export function partOf(rule: Dentry, tree: NameTree<Path>): Dentry | undefined {
  if (measure(rule).characters <= maxRepeatedRule) return rule;
  return tree.type === 'alt' || tree.type === 'union' ? undefined : { prefix: rule.prefix, dst: tree };
}

function costOf(rule: Dentry, pathCharacters: number): readonly [nodes: number, characters: number] {
  const { nodes, characters, prefixCharacters } = measure(rule);
  const repeated = characters <= maxRepeatedRule ? characters : prefixCharacters;
  return [nodes, 2 * characters + nodes * (charactersPerNode + pathCharacters + repeated)];
}

interface Measure {
  readonly nodes: number;
  /** As text, roughly: escaped bytes take up to four times as many. */
  readonly characters: number;
  readonly prefixCharacters: number;
}

const measures = new WeakMap<Dentry, Measure>();

function measure(rule: Dentry): Measure {
  const known = measures.get(rule);
  if (known !== undefined) return known;
  const prefixCharacters = rule.prefix.reduce((sum, label) => sum + 1 + (label?.length ?? 1), 0);
  const made = {
    nodes: sizeOf(rule.dst),
    characters: prefixCharacters + charactersOfTree(rule.dst),
    prefixCharacters,
  };
  measures.set(rule, made);
  return made;
}

/** A node that is no leaf counts 3: an operator and its spaces, or a weight. */
function charactersOfTree(tree: NameTree<Path>): number {
  switch (tree.type) {
    case 'leaf':
      return 3 + charactersOf(tree.value);
    case 'alt':
      return tree.trees.reduce((sum, child) => sum + charactersOfTree(child), 3);
    case 'union':
      return tree.branches.reduce((sum, branch) => sum + 6 + charactersOfTree(branch.tree), 3);
    default:
      return 3;
  }
}

const charactersOf = (path: Path): number => path.reduce((sum, label) => sum + 1 + label.length, 0);
