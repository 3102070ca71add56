/** Counts the answers of namerd's API. */
import type { Cell } from '../../metrics/cells.ts';
import type { Registry } from '../../metrics/registry.ts';

/** @returns a function to call for each answer; there are few endpoints and statuses */
export function countRequests(registry: Registry): (endpoint: string, status: number) => void {
  const scope = registry.scope({});
  const cells = new Map<string, Cell>();
  return (endpoint, status) => {
    const key = `${endpoint} ${status}`;
    const cell = cells.get(key) ?? scope.counter('l5d:namerd:requests', { endpoint, status: String(status) });
    cells.set(key, cell);
    registry.main.add(cell, 1);
  };
}
