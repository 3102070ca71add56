/** A client that runs as a child process of the benchmark. It reports when it is ready and executes orders. */

import type { Serializable } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Scope } from '../test/support/scope.ts';
import { within } from '../test/support/waiting.ts';

export const clientTimeoutMs = 60_000;

/** @param readyWhen what it has done by the time it is ready, for the error when it does not get there */
export async function startClient<Order, Result>(
  scope: Scope,
  { file, args, readyWhen }: { readonly file: string; readonly args: readonly string[]; readonly readyWhen: string },
): Promise<(order: Order) => Promise<Result>> {
  const child = fork(join(import.meta.dirname, file), args, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const ended = once(child, 'exit');
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  scope.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const answer = async (what: string): Promise<unknown> => {
    const message = once(child, 'message').then(([value]) => value as unknown);
    const failed = ended.then(([code]) => {
      throw new Error(`the client ended (exit code ${code}) before ${what}: ${complaint.trim()}`);
    });
    return within(Promise.race([message, failed]), what, clientTimeoutMs);
  };
  await answer(readyWhen);
  return order => {
    const result = answer('the end of the load');
    child.send(order as Serializable);
    return result as Promise<Result>;
  };
}
