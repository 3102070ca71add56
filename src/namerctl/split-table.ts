/**
 * Shares of each destination before and after a split, and the number of its addresses.
 *
 *     /cluster/redis1    100%  →  90%    1 address
 *   + /cluster/purple      0%  →  10%    ✗ resolves to nothing
 */
import { of } from 'rxjs';
import type { NameTree } from '../dtab/name-tree.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';
import { decodeBoundTree } from '../naming/json/bound-tree.ts';
import type { Bound } from '../naming/name.ts';
import { hostPort, snapshotOf } from './address-text.ts';
import { percentsOf } from './percents.ts';
import { sharesIn } from './rule-shares.ts';
import type { Session } from './session.ts';
import type { Share } from './split-shares.ts';

export interface SplitRow {
  readonly path: string;
  /** Absent where the rule was more than paths with weights. */
  readonly before: string | undefined;
  readonly after: string;
  /** How many addresses it has; undefined where namerd does not say. */
  readonly addresses: number | undefined;
}

export async function splitRows(
  session: Session,
  namespace: string,
  dst: string,
  shares: readonly Share[],
): Promise<readonly SplitRow[]> {
  const before = sharesIn(dst);
  const percents = percentsOf(shares.map(({ weight }) => weight));
  const after = new Map(shares.map(({ path }, i) => [showPath(path), percents[i]]));
  const gone = [...(before?.keys() ?? [])].filter(path => !after.has(path));
  return Promise.all(
    [...after.keys(), ...gone].map(async path => ({
      path,
      before: before && (before.get(path) ?? '0%'),
      after: after.get(path) ?? '0%',
      addresses: after.has(path) ? await addressesOf(session, namespace, path) : undefined,
    })),
  );
}

async function addressesOf(session: Session, namespace: string, path: string): Promise<number | undefined> {
  try {
    const tree = decodeBoundTree(await session.api.name('bind', namespace, path), (_id, snapshot) => of(snapshot));
    return new Set(addressesIn(tree)).size;
  } catch (error) {
    // A name that cannot be looked up now, or a namerd that does not answer such questions.
    if (error instanceof LinkerdTcpError || error instanceof Error) return undefined;
    throw error;
  }
}

function addressesIn(tree: NameTree<Bound>): readonly string[] {
  if (tree.type === 'alt') return tree.trees.flatMap(addressesIn);
  if (tree.type === 'union') return tree.branches.flatMap(branch => addressesIn(branch.tree));
  if (tree.type !== 'leaf') return [];
  const addr = snapshotOf(tree.value.addr);
  // Not known yet is not nothing.
  return addr.state === 'bound' ? addr.addresses.map(hostPort) : addr.state === 'neg' ? [] : ['?'];
}

export function drawSplit(session: Session, rows: readonly SplitRow[]): string {
  const width = (cells: readonly string[]) => Math.max(...cells.map(({ length }) => length));
  const widths = [rows.map(row => row.path), rows.map(row => row.before ?? ''), rows.map(row => row.after)].map(width);
  return rows
    .map(({ path, before, after, addresses }) => {
      const mark = before === '0%' ? '+' : after === '0%' && before !== undefined ? '-' : ' ';
      const from = before === undefined ? '' : `${before.padStart(widths[1])}  →  `;
      const line = `  ${mark} ${path.padEnd(widths[0])}   ${from}${after.padStart(widths[2])}`;
      return `${line}${addressText(session, addresses)}\n`;
    })
    .join('');
}

function addressText({ paint }: Session, addresses: number | undefined): string {
  if (addresses === undefined) return '';
  if (addresses === 0) return `   ${paint('red', '✗ resolves to nothing')}`;
  return `   ${addresses} address${addresses === 1 ? '' : 'es'}`;
}

/** Destinations that would get traffic and have no addresses. */
export const deadIn = (rows: readonly SplitRow[]): readonly string[] =>
  rows.filter(({ addresses, after }) => addresses === 0 && after !== '0%').map(({ path }) => path);
