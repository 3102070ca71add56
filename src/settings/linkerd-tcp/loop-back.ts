/** Names that lead back to a listener of the same proxy, found by following the rules of a dtab without looking anything up. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ValuePath } from '../../config/document.ts';
import { type Dtab, matching, rewrite } from '../../dtab/dtab.ts';
import { leavesOf } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { overlap } from '../shared/overlap.ts';

export interface Listener {
  readonly at: ValuePath;
  readonly ip: string;
  readonly port: number;
}

export interface LoopBack {
  readonly path: Path;
  readonly listener: Listener;
}

/** More paths than this are not followed. */
const longestSearch = 1000;

/** Follows every alternative of a name to addresses. */
export function loopBack(dtab: Dtab, name: Path, listeners: readonly Listener[]): LoopBack | undefined {
  const seen = new Set([showPath(name)]);
  const waiting = [name];
  for (let path = waiting.pop(); path !== undefined && seen.size < longestSearch; path = waiting.pop()) {
    const listener = ownListener(path, listeners);
    if (listener !== undefined) return { path, listener };
    const current = path;
    for (const next of matching(dtab, current).flatMap(rule => leavesOf(rewrite(rule, current)))) {
      if (seen.has(showPath(next))) continue;
      seen.add(showPath(next));
      waiting.push(next);
    }
  }
  return undefined;
}

function ownListener(path: Path, listeners: readonly Listener[]): Listener | undefined {
  const inet = inetOf(path);
  if (inet?.host === undefined) return undefined;
  const host = inet.host === 'localhost' ? '127.0.0.1' : inet.host;
  if (isIP(host) === 0) return undefined;
  return listeners.find(
    ({ ip, port }) => Number(inet.port) === port && (ip === host || (overlap(ip, host) && isOfThisMachine(host))),
  );
}

const isOfThisMachine = (host: string): boolean =>
  /^(?:127\.|0\.0\.0\.0$|::1$|::$)/.test(host) ||
  Object.values(networkInterfaces()).some(addresses => addresses?.some(({ address }) => address === host));

/** `/$/inet/<host>/<port>` or `/$/inet/<port>`, and the other spelling; undefined for every other path. */
export function inetOf(path: Path): { readonly host: string; readonly port: string } | undefined {
  if (path[0] !== '$') return undefined;
  if (path[1] === 'inet' || path[1] === 'fixedinet')
    return path.length === 3 ? { host: '127.0.0.1', port: path[2] } : { host: path[2], port: path[3] };
  return path[1] === 'io.buoyant.rinet' ? { host: path[3], port: path[2] } : undefined;
}
