/** Every kind of namer, interpreter and transformer that a configuration of this package can name. */

import { interpreterKinds } from '../../interpreters/kinds.ts';
import { namerKinds } from '../../namers/kinds.ts';
import { transformerKinds } from '../../naming/transformers/kinds.ts';
import type { Kinds } from './config.ts';

export const kinds: Kinds = { interpreters: interpreterKinds, namers: namerKinds, transformers: transformerKinds };
