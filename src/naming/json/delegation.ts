/**
 * The JSON of a delegation tree.
 *
 * Field order is type, path, dentry, payload, as clients have seen it since Linkerd 1.x. Decoding ignores unknown fields.
 */
import { of } from 'rxjs';
import type { Dentry } from '../../dtab/dtab.ts';
import { parsePrefix, parseTree } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath, showPrefix, showTree } from '../../dtab/show.ts';
import type { Delegation } from '../delegation.ts';
import type { AnswerSize } from './answer-size.ts';
import { type AddrSnapshot, boundAt, encodeBound } from './bound-tree.ts';
import { arrayAt, branchesAt, nodeAt, objectAt, parsedAt, pathAt, stringAt, unexpected } from './checks.ts';
import type { Json } from './json.ts';

/** @throws LinkerdTcpError ANSWER_TOO_LARGE where `size` is exceeded */
export function encodeDelegation(root: Delegation, snapshot: AddrSnapshot, size?: AnswerSize): Json {
  // Many nodes show the same rule.
  const shown = new Map<Dentry, object>();
  const encodeDentry = (dentry: Dentry): object => {
    const made = shown.get(dentry) ?? { prefix: showPrefix(dentry.prefix), dst: showTree(dentry.dst) };
    shown.set(dentry, made);
    return made;
  };
  const encode = (node: Delegation): Json => ({
    type: node.type,
    path: showNodePath(node.type, node.path),
    ...(node.dentry && { dentry: encodeDentry(node.dentry) }),
    ...encodePayload(node),
  });
  const encodePayload = (node: Delegation): object => {
    switch (node.type) {
      case 'exception':
        return { message: node.message };
      case 'neg':
        return node.message === undefined ? {} : { message: node.message };
      case 'delegate':
        return { delegate: encode(node.delegate) };
      case 'leaf':
        return { bound: encodeBound(node.bound, snapshot, size) };
      case 'alt':
        return { alt: node.alt.map(encode) };
      case 'union':
        return { union: node.union.map(({ weight, tree }) => ({ weight, tree: encode(tree) })) };
      case 'transformation':
        return { name: node.name, bound: encodeBound(node.bound, snapshot, size), tree: encode(node.tree) };
      default:
        return {};
    }
  };
  return encode(root);
}

/** Trees written out in a rule have no path of their own; they show as what they are. */
function showNodePath(type: Delegation['type'], path: Path): string {
  if (type === 'fail') return path[0] === '$' && path[1] === 'fail' ? showPath(path) : '!';
  if (path.length === 0 && type === 'neg') return '~';
  if (path.length === 0 && type === 'empty') return '$';
  return showPath(path);
}

/** The addresses of its leaves stay what the document says. */
export function decodeDelegation(json: unknown): Delegation {
  return delegationAt(json, '$', 0);
}

function delegationAt(json: unknown, at: string, nesting: number): Delegation {
  const { type, path: shownPath, dentry: shownDentry, ...payload } = nodeAt(json, at, nesting);
  const inner = (child: unknown, place: string) => delegationAt(child, place, nesting + 1);
  const bound = () => boundAt(payload.bound, `${at}.bound`, (_id, snapshot) => of(snapshot));
  const dentry = dentryAt(shownDentry, `${at}.dentry`);
  const path = isWrittenOut(type, shownPath) ? [] : pathAt(shownPath, `${at}.path`);
  const node = { path, ...(dentry && { dentry }) };
  switch (type) {
    case 'neg':
      return { ...node, type, ...(typeof payload.message === 'string' && { message: payload.message }) };
    case 'empty':
    case 'fail':
      return { ...node, type };
    case 'exception':
      return { ...node, type, message: stringAt(payload.message, `${at}.message`) };
    case 'leaf':
      return { ...node, type, bound: bound() };
    case 'delegate':
      return { ...node, type, delegate: inner(payload.delegate, `${at}.delegate`) };
    case 'alt':
      return { ...node, type, alt: arrayAt(payload.alt, `${at}.alt`).map((tree, i) => inner(tree, `${at}.alt[${i}]`)) };
    case 'union':
      return { ...node, type, union: branchesAt(payload.union, `${at}.union`, inner) };
    case 'transformation':
      return {
        ...node,
        type,
        name: stringAt(payload.name, `${at}.name`),
        bound: bound(),
        tree: inner(payload.tree, `${at}.tree`),
      };
    default:
      return unexpected(`${at}.type`, 'a kind of delegation', type);
  }
}

const isWrittenOut = (type: unknown, path: unknown): boolean =>
  (type === 'neg' && path === '~') || (type === 'empty' && path === '$') || (type === 'fail' && path === '!');

function dentryAt(json: unknown, at: string): Dentry | undefined {
  if (json === undefined || json === null) return undefined;
  const { prefix, dst } = objectAt(json, at);
  return {
    prefix: parsedAt(prefix, `${at}.prefix`, parsePrefix),
    dst: parsedAt(dst, `${at}.dst`, parseTree),
  };
}
