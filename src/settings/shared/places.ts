/** Looking around in a configuration whose shape is not known yet, and naming what is found there. */
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { pathText, valueAt } from '../../config/problem.ts';

/** The places of the entries of a list; none without a list. */
export function entries(root: unknown, path: ValuePath): ValuePath[] {
  const list = valueAt(root, path);
  return Array.isArray(list) ? list.map((_, i) => [...path, i]) : [];
}

export function textAt(root: unknown, path: ValuePath): string | undefined {
  const value = valueAt(root, path);
  return typeof value === 'string' ? value : undefined;
}

/** `routers[0].label (3:10)` */
export function reference(document: ConfigDocument, path: ValuePath): string {
  const { line, column } = document.valuePosition(path);
  return `${pathText(path)} (${line}:${column})`;
}
