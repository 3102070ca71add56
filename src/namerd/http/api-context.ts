/** What the routes of the API work with. */
import type { DtabStore } from '../../stores/store.ts';
import type { Namespaces } from '../core/namespaces.ts';
import type { Slices } from '../core/sliced.ts';

export interface ApiContext {
  readonly store: DtabStore;
  readonly namespaces: Namespaces;
  /** For work that takes long: shared by all requests. */
  readonly slices: Slices;
  /** Prefixes of the namers, for what is said about a dtab: `['#', 'io.l5d.fs']`. */
  readonly namerPrefixes: readonly (readonly string[])[];
  /** Uniform in [0, 1): which branch of a Union an answer is. */
  readonly random: () => number;
  /** How long an answer may wait for what is not known yet. */
  readonly answerTimeoutMs: number;
  /** How long a tree waits for the addresses that are shown in it. */
  readonly addrWaitMs: number;
}
