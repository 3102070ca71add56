/** A proxy that takes part in the benchmark. */
import type { Scope } from '../../test/support/scope.ts';
import type { Identity } from '../tls-agreement.ts';

export interface Backends {
  readonly redis: string;
  readonly bulk: string;
  /** Shown to clients on both ports; without one the proxy does not speak TLS. */
  readonly identity?: Identity;
}

export interface RunningProxy {
  /** The process that moves the bytes. */
  readonly pid: number;
  readonly redisPort: number;
  readonly bulkPort: number;
}

export interface Contender {
  readonly name: string;
  readonly title: string;
  /** Differs from another entry only in how it moves bulk. */
  readonly onlyBulk?: boolean;
  start(scope: Scope, backends: Backends): Promise<RunningProxy>;
}
