/** The load of `npm run bench:namerd`: the number of watches, and the changes. */
import { parseArgs } from 'node:util';

export type WatchKind = 'bind' | 'resolve';

export interface Plan {
  readonly quick: boolean;
  /** Of the files it writes. */
  readonly name: string;
  readonly watchers: number;
  readonly processes: number;
  /** Changes of the dtab that touch one name, and all names: even numbers, there and back. */
  readonly oneName: number;
  readonly allNames: number;
  readonly endpointUpdatesPerSecond: number;
  readonly endpointSeconds: number;
  /** Whether to wait until namerd drops names without a watcher, which takes a minute. */
  readonly untilForgotten: boolean;
}

export const names = 500;

/** @throws Error with the mistake in the arguments */
export function planned(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false }, name: { type: 'string' } },
  });
  const { quick } = values;
  return {
    quick,
    name: values.name ?? (quick ? 'quick-namerd' : 'namerd'),
    watchers: quick ? 1000 : 5000,
    processes: 2,
    oneName: quick ? 20 : 200,
    allNames: quick ? 6 : 40,
    endpointUpdatesPerSecond: 1000,
    endpointSeconds: quick ? 4 : 20,
    untilForgotten: !quick,
  };
}

/** Watch `index` is of this name: every name has as many watches. */
export const nameOf = (index: number): number => index % names;

/** Half of the watches of each name are of its tree, half of its addresses. */
export const kindOf = (index: number): WatchKind => (Math.floor(index / names) % 2 === 0 ? 'bind' : 'resolve');

export const resolversOf = ({ watchers }: Plan): number =>
  Array.from({ length: watchers }, (_, index) => kindOf(index)).filter(kind => kind === 'resolve').length;

/** Milliseconds on a clock that all processes of a machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Two sets of endpoints for each name, told apart by their address. */
export const marks = { blue: '127.0.0.1', green: '127.0.0.2' } as const;
export type Color = keyof typeof marks;

/** One rule for each name and one below them all. */
export interface Routes {
  readonly all: Color;
  /** Names that go their own way. */
  readonly apart: ReadonlyMap<number, Color>;
}

export function dtabOf({ all, apart }: Routes): string {
  const own = Array.from({ length: names }, (_, name) => {
    const color = apart.get(name);
    return `/svc/n${name} => ${color === undefined ? '/srv' : `/#/io.l5d.fs/${color}`}/n${name}`;
  });
  return [`/srv => /#/io.l5d.fs/${all}`, ...own].join(';\n');
}
