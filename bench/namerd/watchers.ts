/** The watching clients, in processes of their own, as one. */
import type { Scope } from '../../test/support/scope.ts';
import { withScope } from '../../test/support/scope.ts';
import { startClient } from '../client-process.ts';
import type { Plan } from './plan.ts';
import type { Arrivals, Order, Recorded } from './watch-client.ts';

export interface Watchers {
  /** @param names null for all of them. @returns how many documents are awaited */
  expect(mark: string, names: readonly number[] | null): Promise<number>;
  arrivals(): Promise<Arrivals>;
  record(): Promise<void>;
  recorded(last: readonly number[], waitMs: number): Promise<Recorded>;
}

/** Runs `body` while they watch, then ends all of them at once. */
export function whileWatched<T>(
  { watchers, processes }: Plan,
  port: number,
  body: (watchers: Watchers) => Promise<T>,
): Promise<T> {
  return withScope(async scope => body(await startWatchers(scope, port, watchers, processes)));
}

async function startWatchers(scope: Scope, port: number, watchers: number, processes: number): Promise<Watchers> {
  const share = Math.ceil(watchers / processes);
  const clients = await Promise.all(
    Array.from({ length: processes }, (_, i) =>
      startClient<Order, unknown>(scope, {
        file: 'namerd/watch-client.ts',
        args: [port, i * share, Math.min(share, watchers - i * share)].map(String),
        readyWhen: 'each watch had its first document',
      }),
    ),
  );
  const all = async <T>(order: Order): Promise<readonly T[]> =>
    Promise.all(clients.map(client => client(order) as Promise<T>));
  return {
    expect: async (mark, names) => (await all<number>({ type: 'expect', mark, names })).reduce((a, b) => a + b),
    arrivals: async () => {
      const parts = await all<Arrivals>({ type: 'arrivals' });
      return { at: parts.flatMap(({ at }) => at), documents: parts.reduce((sum, part) => sum + part.documents, 0) };
    },
    record: async () => void (await all({ type: 'record' })),
    recorded: async (last, waitMs) => {
      const parts = await all<Recorded>({ type: 'recorded', last, waitMs });
      return { told: parts.flatMap(({ told }) => told), behind: parts.reduce((sum, part) => sum + part.behind, 0) };
    },
  };
}
