/** Every listener of a configuration must get its own address; port 0 never clashes. */
import { isIP } from 'node:net';
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { type Problem, pathText, valueAt } from '../../config/problem.ts';
import { overlap } from './overlap.ts';
import { reference } from './places.ts';

/** A mapping with the keys `ip` and `port`. */
export interface ListeningPlace {
  readonly path: ValuePath;
  /** Its address if the configuration gives none. */
  readonly defaults: { readonly ip: string; readonly port?: number };
}

export function checkAddresses(
  root: unknown,
  document: ConfigDocument,
  places: readonly ListeningPlace[],
  complain: (problem: Problem) => void,
): void {
  const taken: { readonly path: ValuePath; readonly ip: string; readonly port: number }[] = [];
  for (const { path, defaults } of places) {
    const port = valueAt(root, [...path, 'port']) ?? defaults.port;
    const ip = valueAt(root, [...path, 'ip']) ?? defaults.ip;
    if (typeof port !== 'number' || port === 0 || typeof ip !== 'string' || isIP(ip) === 0) continue;
    const clash = taken.find(other => other.port === port && overlap(other.ip, ip));
    if (clash !== undefined)
      complain({
        path: [...path, 'port'],
        message: `${isIP(ip) === 6 ? `[${ip}]` : ip}:${port} is taken by ${takerOf(root, document, clash.path)}`,
      });
    taken.push({ path, ip, port });
  }
}

function takerOf(root: unknown, document: ConfigDocument, path: ValuePath): string {
  const port = [...path, 'port'];
  if (valueAt(root, port) === undefined) return `${pathText(path)} (its default port)`;
  // An entry of a list is named as a whole.
  return reference(document, typeof path.at(-1) === 'number' ? path : port);
}
