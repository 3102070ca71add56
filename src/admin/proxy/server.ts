/** The admin API of `linkerd-tcp`. */
import type { Log } from '../../log.ts';
import type { Registry } from '../../metrics/registry.ts';
import { type Admin, serveAdmin } from '../server.ts';
import { adminEndpoints } from './endpoints.ts';
import type { AdminView } from './view.ts';

export interface AdminOptions {
  readonly ip: string;
  /** 0: any free port. */
  readonly port: number;
  readonly allowedHosts?: readonly string[];
  readonly proxy: AdminView;
  readonly registry: Registry;
  readonly log: Log;
  readonly delegateTimeoutMs?: number;
}

const delegateTimeoutMs = 10_000;

/** @throws LinkerdTcpError CANNOT_LISTEN */
export function startAdmin(options: AdminOptions): Promise<Admin> {
  return serveAdmin({ ...options, endpoints: adminEndpoints({ delegateTimeoutMs, ...options }) });
}
