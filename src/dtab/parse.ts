/**
 * Reads the dtab language: paths, prefixes, name trees, dentries, dtabs. Recursive descent, one character of look-ahead.
 *
 *   path     := WS '/' [ label ('/' label)* ]          prefix := the same, but an element may be '*'
 *   tree     := tree1 (WS '|' tree1)*                   more than one makes an Alt
 *   tree1    := weighted (WS '&' weighted)*             more than one makes a Union, else the weight is dropped
 *   weighted := WS [ number WS '*' WS ] simple
 *   simple   := WS ( '(' tree WS ')' | path | '!' | '~' | '$' )
 *   dentry   := prefix WS '=>' tree
 *   dtab     := WS [ dentry WS (';' WS dentry WS)* [';'] ]
 *
 * Every function throws {@link DtabSyntaxError} and nothing else. Source: Finagle `NameTreeParsers`, restated.
 */
import { Cursor } from './cursor.ts';
import type { Dentry, Dtab, Prefix } from './dtab.ts';
import { empty, fail, leaf, type NameTree, neg, type Weighted } from './name-tree.ts';
import type { Path } from './path.ts';

export { DtabSyntaxError } from './cursor.ts';

/** More than any sensible rule needs, and safe for every recursive walk over a tree. */
export const maxNesting = 200;

export const parsePath = (text: string): Path => whole(text, path);
export const parsePrefix = (text: string): Prefix => whole(text, prefix);
export const parseTree = (text: string): NameTree<Path> => whole(text, at => tree(at, 0));
export const parseDentry = (text: string): Dentry => whole(text, dentry);
export const parseDtab = (text: string): Dtab => whole(text, dtab);

/** The rules of a dtab one by one, for a reader that must not block while it parses a long text. */
export function* parseDentries(text: string): Generator<Dentry, void> {
  const at = new Cursor(text);
  yield* dentries(at);
  at.end();
}

function whole<T>(text: string, read: (at: Cursor) => T): T {
  const at = new Cursor(text);
  const value = read(at);
  at.end();
  return value;
}

const showable = /^[0-9A-Za-z_:.#$%-]$/;
const hex = /^[0-9A-Fa-f]$/;
const digit = /^[0-9]$/;

const isLabelChar = (char: string): boolean => char === '\\' || showable.test(char);

function path(at: Cursor): Path {
  at.skip();
  at.eat('/');
  const labels: string[] = [];
  if (isLabelChar(at.peek))
    do {
      labels.push(label(at));
    } while (at.maybeEat('/'));
  return labels;
}

function prefix(at: Cursor): Prefix {
  at.skip();
  at.eat('/');
  const elements: (string | null)[] = [];
  if (at.peek === '*' || isLabelChar(at.peek))
    do {
      elements.push(at.maybeEat('*') ? null : label(at));
    } while (at.maybeEat('/'));
  return elements;
}

function label(at: Cursor): string {
  let bytes = '';
  do {
    if (at.maybeEat('\\')) {
      at.eat('x');
      bytes += String.fromCharCode(Number.parseInt(hexDigit(at) + hexDigit(at), 16));
    } else if (showable.test(at.peek)) {
      bytes += at.peek;
      at.offset++;
    } else at.fail('a label character');
  } while (isLabelChar(at.peek));
  return bytes;
}

function hexDigit(at: Cursor): string {
  const char = at.peek;
  if (!hex.test(char)) at.fail('a hexadecimal digit');
  at.offset++;
  return char;
}

function tree(at: Cursor, nesting: number): NameTree<Path> {
  const trees: NameTree<Path>[] = [];
  do {
    trees.push(tree1(at, nesting));
    at.skip();
  } while (at.maybeEat('|'));
  return trees.length > 1 ? { type: 'alt', trees } : trees[0];
}

function tree1(at: Cursor, nesting: number): NameTree<Path> {
  const branches: Weighted<Path>[] = [];
  do {
    branches.push(weighted(at, nesting));
    at.skip();
  } while (at.maybeEat('&'));
  return branches.length > 1 ? { type: 'union', branches } : branches[0].tree;
}

function weighted(at: Cursor, nesting: number): Weighted<Path> {
  at.skip();
  if (at.peek !== '.' && !digit.test(at.peek)) return { weight: 1, tree: simple(at, nesting) };
  const weight = number(at);
  at.skip();
  at.eat('*');
  return { weight, tree: simple(at, nesting) };
}

function number(at: Cursor): number {
  const start = at.offset;
  let dotted = false;
  for (; at.peek === '.' || digit.test(at.peek); at.offset++) {
    if (at.peek !== '.') continue;
    if (dotted) at.fail('a digit');
    dotted = true;
  }
  const weight = Number(at.text.slice(start, at.offset));
  // A lone dot is not a number; hundreds of digits overflow to infinity.
  if (!Number.isFinite(weight)) at.fail('a finite weight', start);
  return weight;
}

function simple(at: Cursor, nesting: number): NameTree<Path> {
  at.skip();
  if (at.peek === '/') return leaf(path(at));
  if (at.maybeEat('!')) return fail;
  if (at.maybeEat('~')) return neg;
  if (at.maybeEat('$')) return empty;
  if (at.peek !== '(') at.fail("a path, '(', '~', '!' or '$'");
  if (nesting === maxNesting) at.fail(`at most ${maxNesting} nested parentheses`);
  at.offset++;
  const inner = tree(at, nesting + 1);
  at.skip();
  at.eat(')');
  return inner;
}

function dentry(at: Cursor): Dentry {
  const from = prefix(at);
  at.skip();
  at.eat('=');
  at.eat('>');
  return { prefix: from, dst: tree(at, 0) };
}

function dtab(at: Cursor): Dtab {
  return [...dentries(at)];
}

function* dentries(at: Cursor): Generator<Dentry, void> {
  at.skip();
  while (!at.atEnd) {
    yield dentry(at);
    at.skip();
    if (!at.maybeEat(';')) {
      if (!at.atEnd) at.fail("';' or end of input");
      return;
    }
    at.skip();
  }
}
