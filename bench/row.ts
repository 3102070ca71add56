/** A row of the benchmark: what is done through each proxy, and what is measured of it. */
import type { Backends, Contender, RunningProxy } from './proxies/contender.ts';

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly better: 'more' | 'less';
  /** Its label in the chart, where its ratio to the baseline is a bar. */
  readonly drawn?: string;
  /** A ratio of the proxy's own already: not compared with the baseline. */
  readonly absolute?: boolean;
}

export interface Subject {
  readonly proxy: Contender;
  readonly running: RunningProxy;
  readonly backends: Backends;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  /** The proxy the others are compared with. */
  readonly baseline: string;
  /** Contenders that differ only in how they move bulk are measured too. */
  readonly isBulk?: boolean;
  /** Measured once for nothing before the first round. */
  readonly warmsUp?: boolean;
  readonly metrics: readonly Metric[];
  measure(subject: Subject): Promise<Record<string, number>>;
}

export interface Size {
  /** 1 for the full run; less measures for a shorter time. */
  readonly effort: number;
  /** The most connections a proxy can hold with this machine's limit of descriptors. */
  readonly mostConnections: number;
}

export const perCpuSecond = (what: string, drawn?: string): Metric => ({
  key: 'perCpuSecond',
  title: `${what} per CPU second of the proxy`,
  better: 'more',
  ...(drawn !== undefined && { drawn }),
});

export const perSecond = (what: string): Metric => ({
  key: 'perSecond',
  title: `${what} per second`,
  better: 'more',
});
