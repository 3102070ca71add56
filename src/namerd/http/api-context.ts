/** The parts of a running namerd that the routes of the API use. */
import type { DtabStore } from '../../stores/store.ts';
import type { Namespaces } from '../core/namespaces.ts';
import type { Slices } from '../core/sliced.ts';

export interface ApiContext {
  readonly store: DtabStore;
  readonly namespaces: Namespaces;
  /** For long work: shared by all requests. */
  readonly slices: Slices;
  /** Prefixes of the namers, for warnings about a dtab: `['#', 'io.l5d.fs']`. */
  readonly namerPrefixes: readonly (readonly string[])[];
  /** Uniform in [0, 1): chooses the branch of a Union. */
  readonly random: () => number;
  /** How long an answer may wait for a value that is not known yet. */
  readonly answerTimeoutMs: number;
  /** How long a tree waits for the addresses that are shown in it. */
  readonly addrWaitMs: number;
}
