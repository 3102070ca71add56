/**
 * A {@link FakeConsul} in a process of its own, with its log on disk: it can be killed, paused and started again in the middle of
 * anything.
 */
import { join } from 'node:path';
import { FakeConsul } from './fake-consul.ts';
import { ForkedServer, serveControls } from './forked-server.ts';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';

export type ConsulProcess = ForkedServer<Omit<FakeConsul, 'port'>>;

/** A running process that is killed when the test ends; started again it has what was written. */
export async function launchConsul(t: Scope, port = 0): Promise<ConsulProcess> {
  let consul: ConsulProcess | undefined;
  // Ends before its directory is deleted.
  t.after(() => consul?.kill());
  consul = new ForkedServer('Consul', import.meta.filename, [join(tempDir(t).path, 'raft.log')], port);
  await consul.start();
  return consul;
}

if (import.meta.main) serveControls(new FakeConsul({ log: process.argv[2] as string }));
