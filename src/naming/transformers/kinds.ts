/** The kinds of transformers a config can choose from. */
import type { TransformerKind } from '../kinds.ts';
import { localhostTransformer, portTransformer, specificHostTransformer } from './addresses.ts';
import { constTransformer, replaceTransformer } from './replacement.ts';

export const transformerKinds: readonly TransformerKind[] = [
  portTransformer,
  localhostTransformer,
  specificHostTransformer,
  constTransformer,
  replaceTransformer,
];
