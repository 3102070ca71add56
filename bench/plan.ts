/** The measurements that the arguments of `npm run bench` select. */
import { parseArgs } from 'node:util';
import type { Contender } from './proxies/contender.ts';
import { allProxies } from './proxies.ts';
import type { Row } from './row.ts';
import { type Suite, suites } from './suites.ts';

export interface Plan {
  readonly suite: Suite;
  readonly rows: readonly Row[];
  readonly proxies: readonly Contender[];
  readonly rounds: number;
  readonly quick: boolean;
  /** Of the files it writes. */
  readonly name: string;
  readonly maxMinutes: number;
}

/** Descriptors a proxy needs beside two for each connection. */
const spareDescriptors = 200;

/**
 * One for each suite that has something to measure.
 *
 * @param descriptors how many each proxy may have open
 * @throws Error with the mistake in the arguments
 */
export function planned(args: readonly string[], descriptors: number): Plan[] {
  const { values } = parseArgs({
    args: [...args],
    options: {
      suite: { type: 'string' },
      rows: { type: 'string' },
      proxies: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      name: { type: 'string' },
      'max-minutes': { type: 'string', default: '75' },
    },
  });
  const { quick } = values;
  const mostConnections = Math.floor((descriptors - spareDescriptors) / 2);
  const proxies = selected(values.proxies, allProxies(mostConnections, descriptors), proxy => proxy.name);
  const size = { effort: quick ? 0.25 : 1, mostConnections };
  const measured = selected(values.suite, suites, suite => suite.name).flatMap(suite =>
    suite.rows(size).map(row => ({ suite, row })),
  );
  const chosen = selected(values.rows, measured, ({ row }) => row.id);
  const rounds = positive('--rounds', values.rounds ?? (quick ? '2' : '5'));
  const maxMinutes = positive('--max-minutes', values['max-minutes']);
  const prefix = values.name ?? (quick ? 'quick' : undefined);
  return suites.flatMap(suite => {
    const rows = chosen.filter(one => one.suite === suite).map(({ row }) => row);
    if (rows.length === 0) return [];
    const name = prefix === undefined ? suite.name : `${prefix}-${suite.name}`;
    const takingPart = proxies.filter(({ onlyBulk }) => onlyBulk !== true || rows.some(row => row.isBulk));
    return [{ suite, rows, proxies: takingPart, rounds, quick, name, maxMinutes }];
  });
}

function selected<T>(list: string | undefined, all: readonly T[], nameOf: (item: T) => string): readonly T[] {
  if (list === undefined) return all;
  const names = list.split(',');
  const known = all.map(nameOf);
  const unknown = names.filter(name => !known.includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return all.filter(item => names.includes(nameOf(item)));
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${option} ${text}: must be a number above 0`);
  return value;
}
