/** Refused requests: the metrics count all of them, the log shows some, since anyone can cause them. */
import { limitedLog } from '../../limited-log.ts';
import type { Log } from '../../log.ts';
import type { Cell } from '../../metrics/cells.ts';
import type { Registry } from '../../metrics/registry.ts';
import type { Denial } from './denial.ts';

const limit = { max: 10, perMs: 60_000 };
const maxPathChars = 200;

/** @returns a function to call for each of them; there are few reasons and tokens */
export function reportDenials(registry: Registry, log: Log, now: () => number): (denial: Denial) => void {
  const scope = registry.scope({});
  const cells = new Map<string, Cell>();
  const limited = limitedLog(log, { ...limit, now });
  return ({ reason, token = 'none', message, method, path, ip }) => {
    const key = `${reason} ${token}`;
    const cell = cells.get(key) ?? scope.counter('l5d:namerd:api_denied', { reason, token });
    cells.set(key, cell);
    registry.main.add(cell, 1);
    limited.warn(`refused ${method} ${path.slice(0, maxPathChars)} of ${ip}: ${message}`);
  };
}
