/** The goals of linkerd-tcp relative to HAProxy, and whether a run meets them. */
import { ratiosOf, type Sample, type Spread, spreadOf, valuesOf } from './statistics.ts';

export interface Goal {
  readonly title: string;
  readonly proxy: string;
  readonly row: string;
  readonly metric: string;
  readonly better: 'more' | 'less';
  readonly must: number;
  readonly aim?: number;
  /** Undefined: the value itself, not a ratio. */
  readonly baseline?: string;
}

export interface Verdict {
  readonly goal: Goal;
  readonly measured: Spread | undefined;
  readonly outcome: 'reached' | 'missed' | 'not measured';
}

export const goals: readonly Goal[] = [
  {
    ...{ title: 'small messages: requests per CPU second vs HAProxy', proxy: 'uring', row: 'get-50' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1.2, aim: 1.6, baseline: 'haproxy' },
  },
  {
    ...{ title: 'the same', proxy: 'epoll', row: 'get-50' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 0.95, aim: 1, baseline: 'haproxy' },
  },
  {
    ...{ title: 'the same', proxy: 'portable', row: 'get-50' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 0.6, baseline: 'haproxy' },
  },
  {
    ...{ title: 'p99 latency vs HAProxy at equal load', proxy: 'uring', row: 'latency' },
    ...{ metric: 'p99Ms', better: 'less', must: 1, aim: 0.8, baseline: 'haproxy' },
  },
  {
    ...{ title: 'new connections per CPU second vs HAProxy', proxy: 'uring', row: 'connect' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1, aim: 1.2, baseline: 'haproxy' },
  },
  {
    ...{ title: 'bulk bytes per CPU second vs HAProxy with splice', proxy: 'uring', row: 'bulk' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1, aim: 1.2, baseline: 'haproxy-splice' },
  },
  {
    ...{ title: 'bytes of the process per idle connection vs HAProxy', proxy: 'uring', row: 'memory' },
    ...{ metric: 'bytesPerConnection', better: 'less', must: 1, baseline: 'haproxy' },
  },
  {
    ...{ title: 'growth of CPU per request from 100 to the most connections (flat)', proxy: 'uring', row: 'scaling' },
    ...{ metric: 'growth', better: 'less', must: 1.25, aim: 1.1 },
  },
  {
    ...{ title: 'TLS: full handshakes per CPU second vs HAProxy', proxy: 'uring', row: 'tls-handshakes-full' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1, baseline: 'haproxy' },
  },
  {
    ...{ title: 'TLS: resumed handshakes per CPU second vs HAProxy', proxy: 'uring', row: 'tls-handshakes-resumed' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1, baseline: 'haproxy' },
  },
  {
    ...{ title: 'TLS: bulk bytes to the client per CPU second vs HAProxy', proxy: 'uring', row: 'tls-bulk' },
    ...{ metric: 'perCpuSecond', better: 'more', must: 1, baseline: 'haproxy' },
  },
  {
    ...{ title: 'TLS: bulk bytes from the client per CPU second vs HAProxy', proxy: 'uring', row: 'tls-bulk' },
    ...{ metric: 'upPerCpuSecond', better: 'more', must: 1, baseline: 'haproxy' },
  },
];

/** By the median: a goal is reached in most rounds or not at all. */
export function judge(goal: Goal, samples: readonly Sample[]): Verdict {
  const { row, proxy, metric, baseline, must, better } = goal;
  const values =
    baseline === undefined
      ? valuesOf(samples, row, proxy, metric)
      : ratiosOf(samples, { row, proxy, metric, baseline });
  const measured = spreadOf(values);
  if (measured === undefined) return { goal, measured, outcome: 'not measured' };
  const isReached = better === 'more' ? measured.median >= must : measured.median <= must;
  return { goal, measured, outcome: isReached ? 'reached' : 'missed' };
}
