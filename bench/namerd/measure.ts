/** Measurements of namerd while thousands of clients watch it. */
import { setTimeout as delay } from 'node:timers/promises';
import { percentileOf } from '../statistics.ts';
import { type Color, marks, names, now, type Routes } from './plan.ts';
import type { Subject } from './subject.ts';
import type { Watchers } from './watchers.ts';

export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

export interface DtabUpdates {
  readonly updates: number;
  /** Documents that each update had to bring. */
  readonly awaited: number;
  /** Milliseconds from before the request to each document that was awaited. */
  readonly each: Delays;
  /** The same to the last document of each update. */
  readonly last: Delays;
  /** Documents that changed nothing for who got them, of all updates. */
  readonly needless: number;
  /** Milliseconds of processor time of namerd for one update. */
  readonly cpuMs: number;
}

export interface EndpointUpdates {
  readonly updates: number;
  readonly seconds: number;
  readonly writtenPerSecond: number;
  /** Documents, of those there would be if each watch told each update. */
  readonly delivered: number;
  readonly possible: number;
  /** Watches that never told the last state. */
  readonly behind: number;
  /** Milliseconds from the file to the document. */
  readonly each: Delays;
  /** Processor time of namerd, of one core. */
  readonly cpuShare: number;
}

export interface EndpointLoad {
  readonly perSecond: number;
  readonly seconds: number;
  /** Watches of addresses. */
  readonly resolvers: number;
}

/** Thrown away: code is compiled in them. Even, as the updates are: the last one brings the first state back. */
const warmUps = 4;
const lastStateWaitMs = 10_000;
/** The port identifies the update of the file that a document comes from. */
const firstPort = 10_000;
const updatesAtOnce = 10;

export function delaysOf(values: readonly number[]): Delays {
  const sorted = Float64Array.from(values).sort();
  return {
    p50: percentileOf(sorted, 0.5),
    p99: percentileOf(sorted, 0.99),
    max: percentileOf(sorted, 1),
    count: sorted.length,
  };
}

/** Changes the dtab again and again; each change waits until the last watch knows of the one before. */
export async function dtabUpdates(
  subject: Subject,
  watchers: Watchers,
  { updates, touched }: { readonly updates: number; readonly touched: 'one' | 'all' },
): Promise<DtabUpdates> {
  const each: number[] = [];
  const last: number[] = [];
  let needless = 0;
  let awaited = 0;
  let cpuBefore = 0;
  for (let i = -warmUps; i < updates; i++) {
    if (i === 0) cpuBefore = subject.cpuSeconds();
    const { color, name, routes } = change(touched, i + warmUps);
    awaited = await watchers.expect(marks[color], name === null ? null : [name]);
    const start = now();
    await subject.route(routes);
    const { at, documents } = await watchers.arrivals();
    if (i < 0) continue;
    const delays = at.map(time => time - start);
    for (const one of delays) each.push(one);
    last.push(delays.reduce((a, b) => Math.max(a, b)));
    needless += documents - awaited;
  }
  const cpuMs = ((subject.cpuSeconds() - cpuBefore) * 1000) / updates;
  return { updates, awaited, each: delaysOf(each), last: delaysOf(last), needless, cpuMs };
}

/** The colors turn: with each update of all names, or of one name there and with the next one back. */
function change(touched: 'one' | 'all', turn: number): { color: Color; name: number | null; routes: Routes } {
  const color = turn % 2 === 0 ? 'green' : 'blue';
  if (touched === 'all') return { color, name: null, routes: { all: color, apart: new Map() } };
  const name = Math.floor(turn / 2) % names;
  return { color, name, routes: { all: 'blue', apart: new Map(color === 'green' ? [[name, color]] : []) } };
}

/** Rewrites the files of all names in turn at a fixed rate, whatever becomes of it. */
export async function endpointUpdates(
  subject: Subject,
  watchers: Watchers,
  { perSecond, seconds, resolvers }: EndpointLoad,
): Promise<EndpointUpdates> {
  const writtenAt: number[][] = Array.from({ length: names }, () => []);
  let updates = 0;
  await watchers.record();
  const cpuBefore = subject.cpuSeconds();
  const start = now();
  while (now() - start < seconds * 1000) {
    const due = ((now() - start) * perSecond) / 1000;
    for (let i = 0; i < updatesAtOnce && updates < due; i++) {
      const name = updates++ % names;
      const times = writtenAt[name] as number[];
      times.push(now());
      subject.setEndpoint('blue', name, firstPort + times.length - 1);
    }
    await delay(Math.max(0, start + ((updates + updatesAtOnce) * 1000) / perSecond - now()));
  }
  const elapsed = (now() - start) / 1000;
  const cpuShare = (subject.cpuSeconds() - cpuBefore) / elapsed;
  const ports = writtenAt.map(times => firstPort + times.length - 1);
  const { told, behind } = await watchers.recorded(ports, lastStateWaitMs);
  const delays: number[] = [];
  for (let i = 0; i < told.length; i += 3) {
    const [name, port, at] = told.slice(i, i + 3) as [number, number, number];
    const written = writtenAt[name]?.[port - firstPort];
    if (written !== undefined) delays.push(at - written);
  }
  return {
    updates,
    seconds: elapsed,
    writtenPerSecond: updates / elapsed,
    delivered: delays.length,
    possible: (updates * resolvers) / names,
    behind,
    each: delaysOf(delays),
    cpuShare,
  };
}
