/**
 * The JSON of namerd's HTTP API for addresses, bound trees and delegation trees, both ways.
 *
 * Field order is type, path, dentry, payload, as clients have seen it since Linkerd 1.x. Decoding ignores fields it does not
 * know and throws an Error that says where the document is wrong.
 */
import { isIP } from 'node:net';
import { type Observable, of } from 'rxjs';
import type { Dentry } from '../dtab/dtab.ts';
import { empty, fail, leaf, type NameTree, neg } from '../dtab/name-tree.ts';
import { parsePath, parsePrefix, parseTree } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { showPath, showPrefix, showTree } from '../dtab/show.ts';
import { reasonOf } from '../errors.ts';
import type { Addr, Address, Meta } from './addr.ts';
import type { Delegation } from './delegation.ts';
import type { Bound } from './name.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: unknown };

/** The addresses of a leaf at the moment of writing. */
export type AddrSnapshot = (bound: Bound) => Addr;

export function encodeAddr(addr: Addr): Json {
  switch (addr.state) {
    case 'bound':
      return {
        type: 'bound',
        addrs: addr.addresses.map(({ ip, port, meta }) => ({ ip, port, meta })),
        meta: addr.meta,
      };
    case 'failed':
      return { type: 'failed', cause: addr.error.message };
    default:
      return { type: addr.state };
  }
}

export function encodeBound(bound: Bound, snapshot: AddrSnapshot): Json {
  return { addr: encodeAddr(snapshot(bound)), id: showPath(bound.id), path: showPath(bound.residual) };
}

export function encodeBoundTree(tree: NameTree<Bound>, snapshot: AddrSnapshot): Json {
  switch (tree.type) {
    case 'leaf':
      return { type: 'leaf', bound: encodeBound(tree.value, snapshot) };
    case 'alt':
      return { type: 'alt', alt: tree.trees.map(child => encodeBoundTree(child, snapshot)) };
    case 'union':
      return {
        type: 'union',
        union: tree.branches.map(({ weight, tree: child }) => ({ weight, tree: encodeBoundTree(child, snapshot) })),
      };
    default:
      return { type: tree.type };
  }
}

export function encodeDelegation(node: Delegation, snapshot: AddrSnapshot): Json {
  return { ...encodeNode(node), ...encodePayload(node, snapshot) };
}

function encodeNode({ type, path, dentry }: Delegation): object {
  return {
    type,
    path: showNodePath(type, path),
    ...(dentry && { dentry: { prefix: showPrefix(dentry.prefix), dst: showTree(dentry.dst) } }),
  };
}

/** Trees written out in a rule have no path of their own; they show as what they are. */
function showNodePath(type: Delegation['type'], path: Path): string {
  if (type === 'fail') return path[0] === '$' && path[1] === 'fail' ? showPath(path) : '!';
  if (path.length === 0 && type === 'neg') return '~';
  if (path.length === 0 && type === 'empty') return '$';
  return showPath(path);
}

function encodePayload(node: Delegation, snapshot: AddrSnapshot): object {
  switch (node.type) {
    case 'exception':
      return { message: node.message };
    case 'delegate':
      return { delegate: encodeDelegation(node.delegate, snapshot) };
    case 'leaf':
      return { bound: encodeBound(node.bound, snapshot) };
    case 'alt':
      return { alt: node.alt.map(child => encodeDelegation(child, snapshot)) };
    case 'union':
      return { union: node.union.map(({ weight, tree }) => ({ weight, tree: encodeDelegation(tree, snapshot) })) };
    case 'transformation':
      return {
        name: node.name,
        bound: encodeBound(node.bound, snapshot),
        tree: encodeDelegation(node.tree, snapshot),
      };
    default:
      return {};
  }
}

/** Addresses whose `ip` is not numeric are left out: somebody's host that did not resolve. */
export function decodeAddr(json: unknown): Addr {
  return addrAt(json, '$');
}

/** @param addrOf where the addresses of an id live; also told what the document says they are just now */
export function decodeBoundTree(
  json: unknown,
  addrOf: (id: Path, snapshot: Addr) => Observable<Addr>,
): NameTree<Bound> {
  return treeAt(json, '$', addrOf, 0);
}

/** The addresses of its leaves stay what the document says. */
export function decodeDelegation(json: unknown): Delegation {
  return delegationAt(json, '$', 0);
}

/** Deeper than any tree that binding makes, shallow enough for every recursive walk. */
const maxNesting = 1000;

function addrAt(json: unknown, at: string): Addr {
  const { type, addrs, meta, cause } = objectAt(json, at);
  switch (type) {
    case 'bound':
      return {
        state: 'bound',
        addresses: arrayAt(addrs, `${at}.addrs`).flatMap((address, i) => addressAt(address, `${at}.addrs[${i}]`)),
        meta: metaAt(meta, `${at}.meta`),
      };
    case 'neg':
    case 'pending':
      return { state: type };
    case 'failed':
      return { state: 'failed', error: new Error(typeof cause === 'string' ? cause : 'failed without a cause') };
    default:
      return unexpected(`${at}.type`, 'bound, neg, failed or pending', type);
  }
}

function addressAt(json: unknown, at: string): Address[] {
  const { ip, port, meta } = objectAt(json, at);
  const host = stringAt(ip, `${at}.ip`);
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535)
    unexpected(`${at}.port`, 'a port', port);
  const address = { ip: host, port: port as number, meta: metaAt(meta, `${at}.meta`) };
  return isIP(host) === 0 ? [] : [address];
}

function metaAt(json: unknown, at: string): Meta {
  return json === undefined || json === null ? {} : objectAt(json, at);
}

type AddrOf = (id: Path, snapshot: Addr) => Observable<Addr>;

function boundAt(json: unknown, at: string, addrOf: AddrOf): Bound {
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

function delegationAt(json: unknown, at: string, nesting: number): Delegation {
  const { type, path: shownPath, dentry: shownDentry, ...payload } = nodeAt(json, at, nesting);
  const inner = (child: unknown, place: string) => delegationAt(child, place, nesting + 1);
  const bound = () => boundAt(payload.bound, `${at}.bound`, (_id, snapshot) => of(snapshot));
  const dentry = dentryAt(shownDentry, `${at}.dentry`);
  const path = isWrittenOut(type, shownPath) ? [] : pathAt(shownPath, `${at}.path`);
  const node = { path, ...(dentry && { dentry }) };
  switch (type) {
    case 'neg':
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

function branchesAt<T>(
  json: unknown,
  at: string,
  decode: (tree: unknown, at: string) => T,
): { readonly weight: number; readonly tree: T }[] {
  return arrayAt(json, at).map((branch, i) => {
    const { weight, tree } = objectAt(branch, `${at}[${i}]`);
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
      return unexpected(`${at}[${i}].weight`, 'a number that is not negative', weight);
    return { weight, tree: decode(tree, `${at}[${i}].tree`) };
  });
}

function dentryAt(json: unknown, at: string): Dentry | undefined {
  if (json === undefined || json === null) return undefined;
  const { prefix, dst } = objectAt(json, at);
  return {
    prefix: parsedAt(prefix, `${at}.prefix`, parsePrefix),
    dst: parsedAt(dst, `${at}.dst`, parseTree),
  };
}

function nodeAt(json: unknown, at: string, nesting: number): Record<string, unknown> {
  // The place would be as long as the nesting is deep.
  if (nesting > maxNesting) throw new Error(`the tree is nested more than ${maxNesting} deep`);
  return objectAt(json, at);
}

function objectAt(json: unknown, at: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return unexpected(at, 'an object', json);
  return json as Record<string, unknown>;
}

function arrayAt(json: unknown, at: string): readonly unknown[] {
  return Array.isArray(json) ? json : unexpected(at, 'a list', json);
}

function stringAt(json: unknown, at: string): string {
  return typeof json === 'string' ? json : unexpected(at, 'a string', json);
}

function pathAt(json: unknown, at: string): Path {
  return parsedAt(json, at, parsePath);
}

function parsedAt<T>(json: unknown, at: string, parse: (text: string) => T): T {
  const text = stringAt(json, at);
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`${at}: ${reasonOf(error)}`);
  }
}

function unexpected(at: string, expected: string, found: unknown): never {
  const shown = found === undefined ? 'nothing' : JSON.stringify(found);
  throw new Error(`${at}: expected ${expected}, found ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}`);
}
