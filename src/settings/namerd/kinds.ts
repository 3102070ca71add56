/** Every kind of storage, namer and transformer that a configuration of namerd can name. */
import { namerKinds } from '../../namers/kinds.ts';
import { transformerKinds } from '../../naming/transformers/kinds.ts';
import type { NamerdKinds } from './config.ts';
import { storeKinds } from './store-kinds.ts';

export const namerdKinds: NamerdKinds = { stores: storeKinds, namers: namerKinds, transformers: transformerKinds };
