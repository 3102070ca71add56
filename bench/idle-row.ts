/** A row about the memory of connections that saw one answer and then are idle. */
import { setTimeout as delay } from 'node:timers/promises';
import { withScope } from '../test/support/scope.ts';
import { openConnections, redisBenchmark } from './load.ts';
import { ownBytes } from './process-cost.ts';
import type { Row } from './row.ts';

export interface Idle {
  readonly id: string;
  /** The name of the connections in the report: `idle TLS`. */
  readonly kind: string;
  readonly count: number;
}

/** A fresh process each time: what earlier load made it keep would hide what connections take. */
export function idleRow({ id, kind, count }: Idle): Row {
  return {
    id,
    title: `memory with ${count} ${kind} connections`,
    baseline: 'haproxy',
    metrics: [
      {
        key: 'bytesPerConnection',
        title: 'bytes of the process per connection',
        better: 'less',
        drawn: `memory per ${kind} connection`,
      },
      { key: 'restMiB', title: 'MiB of the process at rest', better: 'less' },
    ],
    measure: ({ proxy, backends }) =>
      withScope(async scope => {
        const { pid, redisPort } = await proxy.start(scope, backends);
        await redisBenchmark(redisPort, { connections: 50, requests: 5000, identity: backends.identity });
        await delay(1000);
        const rest = ownBytes(pid);
        await openConnections(scope, redisPort, count, backends.identity);
        await delay(1000);
        return { bytesPerConnection: (ownBytes(pid) - rest) / count, restMiB: rest / 2 ** 20 };
      }),
  };
}
