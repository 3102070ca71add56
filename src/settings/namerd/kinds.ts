/** Every kind of storage, namer, transformer and interface that a configuration of namerd can name. */

import { namerKinds } from '../../namers/kinds.ts';
import { transformerKinds } from '../../naming/transformers/kinds.ts';
import type { NamerdKinds } from './config.ts';
import { interfaceKinds } from './interface-kinds.ts';
import { storeKinds } from './store-kinds.ts';

export const namerdKinds: NamerdKinds = {
  stores: storeKinds,
  namers: namerKinds,
  transformers: transformerKinds,
  interfaces: interfaceKinds,
};
