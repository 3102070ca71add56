/**
 * Kinds of stores: how a store is written once and then chosen in namerd's config by its `kind`.
 *
 * A kind is a strict zod schema of its own keys plus a `create` function, as with namers (naming/kinds.ts). A new store is one
 * file and one line in stores/kinds.ts; test/stores/contract.ts is what it must pass.
 */
import { z } from 'zod';
import { experimental, type NamingContext } from '../naming/kinds.ts';
import type { DtabStore } from './store.ts';

/** What every store is given by the running program. */
export interface StoreContext extends Pick<NamingContext, 'log' | 'now' | 'random' | 'certificates'> {
  /** Milliseconds since the epoch, for people to read. */
  readonly epochMs: () => number;
}

export interface StoreKind<S extends z.ZodObject = z.ZodObject> {
  /** The value of `kind` in a config, e.g. `io.l5d.sqlite`. */
  readonly kind: string;
  /** A `z.strictObject` of the kind's own keys, each with a default or a `.meta({ description })`. */
  readonly config: S;
  /**
   * Never waits: a backend that is elsewhere is asked by the first observer or write.
   *
   * @throws LinkerdTcpError STORE_UNAVAILABLE where it can be told at once that the store cannot work
   */
  create(config: z.output<S>, context: StoreContext): DtabStore;
}

export const defineStore = <S extends z.ZodObject>(kind: StoreKind<S>): StoreKind<S> => kind;

/** A store as configured; its own keys are known to its kind alone. */
export interface StoreConfig {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** The schema of one store of any of these kinds. */
export function storeConfig(kinds: readonly StoreKind[]): z.ZodType<StoreConfig> {
  const options = kinds.map(({ kind, config }) => config.safeExtend({ kind: z.literal(kind), experimental }));
  return z.discriminatedUnion('kind', options as never) as unknown as z.ZodType<StoreConfig>;
}

/** @param config as {@link storeConfig} gave it for the same kinds */
export function createStore(kinds: readonly StoreKind[], config: StoreConfig, context: StoreContext): DtabStore {
  const chosen = kinds.find(({ kind }) => kind === config.kind);
  if (chosen === undefined) throw new TypeError(`no store of kind ${config.kind}`);
  return chosen.create(config, context);
}
