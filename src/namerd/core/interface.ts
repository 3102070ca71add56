/**
 * Kinds of interfaces: how clients reach namerd. A kind is a schema of its own keys and a `start` function, as with stores.
 */
import { z } from 'zod';
import type { Log } from '../../log.ts';
import type { Registry } from '../../metrics/registry.ts';
import { experimental } from '../../naming/kinds.ts';
import type { DtabStore } from '../../stores/store.ts';
import type { CertificateMonitor } from '../../tls/certificate-monitor.ts';
import type { Namespaces } from './namespaces.ts';
import type { Slices } from './sliced.ts';

/** The parts of a running namerd that interfaces serve. */
export interface NamerdCore {
  readonly store: DtabStore;
  readonly namespaces: Namespaces;
  readonly slices: Slices;
  readonly namerPrefixes: readonly (readonly string[])[];
  readonly registry: Registry;
  /** Certificates that interfaces serve are reported to it. */
  readonly certificates?: CertificateMonitor | undefined;
  readonly log: Log;
  readonly now: () => number;
}

export interface RunningInterface {
  /** Bound `ip:port`. */
  readonly address: string;
  /** Watches open at this moment. */
  readonly watches: number;
  /** Reads its certificates again, for new connections. */
  renewTls?(): void;
  /** Ends watches and waits up to `graceMs` for pending requests. */
  close(graceMs: number): Promise<void>;
}

export interface InterfaceKind<S extends z.ZodObject = z.ZodObject> {
  /** The value of `kind` in a configuration, e.g. `io.l5d.httpController`. */
  readonly kind: string;
  /** The kind's own keys, each with a default or a `.meta({ description })`. */
  readonly config: S;
  /** Address without `ip` and `port`; absent for a kind that does not listen. */
  readonly defaults?: { readonly ip: string; readonly port: number };
  /** Tells the operator at each start what such an interface does not do. */
  readonly warning?: string;
  /** Undefined for a kind that is accepted and not served. Rejects with CANNOT_LISTEN or CONFIG_UNREADABLE. */
  start(config: z.output<S>, core: NamerdCore, place: string): Promise<RunningInterface | undefined>;
}

export const defineInterface = <S extends z.ZodObject>(kind: InterfaceKind<S>): InterfaceKind<S> => kind;

/** An interface as configured; its own keys are known to its kind alone. */
export interface InterfaceConfig {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** The schema of one interface of any of these kinds. */
export function interfaceConfig(kinds: readonly InterfaceKind[]): z.ZodType<InterfaceConfig> {
  const options = kinds.map(({ kind, config }) => config.safeExtend({ kind: z.literal(kind), experimental }));
  return z.discriminatedUnion('kind', options as never) as unknown as z.ZodType<InterfaceConfig>;
}
