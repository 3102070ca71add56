/** The JSON of a bound tree, with the addresses of its leaves at the moment of writing. */

import type { Observable } from 'rxjs';
import { empty, fail, leaf, type NameTree, neg } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import type { Addr } from '../addr.ts';
import type { Bound } from '../name.ts';
import { addrAt, encodeAddr } from './addr.ts';
import type { AnswerSize } from './answer-size.ts';
import { arrayAt, branchesAt, nodeAt, objectAt, pathAt, unexpected } from './checks.ts';
import type { Json } from './json.ts';

/** The addresses of a leaf at the moment of writing. */
export type AddrSnapshot = (bound: Bound) => Addr;

export function encodeBound(bound: Bound, snapshot: AddrSnapshot, size?: AnswerSize): Json {
  const addr = snapshot(bound);
  size?.add(addr);
  return { addr: encodeAddr(addr), id: showPath(bound.id), path: showPath(bound.residual) };
}

/** @throws LinkerdTcpError ANSWER_TOO_LARGE where `size` is exceeded */
export function encodeBoundTree(tree: NameTree<Bound>, snapshot: AddrSnapshot, size?: AnswerSize): Json {
  switch (tree.type) {
    case 'leaf':
      return { type: 'leaf', bound: encodeBound(tree.value, snapshot, size) };
    case 'alt':
      return { type: 'alt', alt: tree.trees.map(child => encodeBoundTree(child, snapshot, size)) };
    case 'union':
      return {
        type: 'union',
        union: tree.branches.map(({ weight, tree: child }) => ({
          weight,
          tree: encodeBoundTree(child, snapshot, size),
        })),
      };
    default:
      return { type: tree.type };
  }
}

/** @param addrOf the live addresses of an id; its second argument is what the document says they are now */
export function decodeBoundTree(
  json: unknown,
  addrOf: (id: Path, snapshot: Addr) => Observable<Addr>,
): NameTree<Bound> {
  return treeAt(json, '$', addrOf, 0);
}

export type AddrOf = (id: Path, snapshot: Addr) => Observable<Addr>;

export function boundAt(json: unknown, at: string, addrOf: AddrOf): Bound {
  const { id: shownId, path, addr } = objectAt(json, at);
  const id = pathAt(shownId, `${at}.id`);
  const snapshot: Addr = addr === undefined || addr === null ? { state: 'pending' } : addrAt(addr, `${at}.addr`);
  return {
    id,
    residual: path === undefined || path === null ? [] : pathAt(path, `${at}.path`),
    addr: addrOf(id, snapshot),
  };
}

function treeAt(json: unknown, at: string, addrOf: AddrOf, nesting: number): NameTree<Bound> {
  const { type, bound, alt, union } = nodeAt(json, at, nesting);
  switch (type) {
    case 'leaf':
      return leaf(boundAt(bound, `${at}.bound`, addrOf));
    case 'alt':
      return {
        type,
        trees: arrayAt(alt, `${at}.alt`).map((child, i) => treeAt(child, `${at}.alt[${i}]`, addrOf, nesting + 1)),
      };
    case 'union':
      return {
        type,
        branches: branchesAt(union, `${at}.union`, (tree, treePlace) => treeAt(tree, treePlace, addrOf, nesting + 1)),
      };
    case 'neg':
      return neg;
    case 'empty':
      return empty;
    case 'fail':
      return fail;
    default:
      return unexpected(`${at}.type`, 'leaf, alt, union, neg, empty or fail', type);
  }
}
