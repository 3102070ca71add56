/** Every kind of namer, interpreter and transformer that a configuration of this package can name. */
import { namerKinds } from '../../namers/kinds.ts';
import { interpreterKinds } from '../../naming/interpreters/kinds.ts';
import { transformerKinds } from '../../naming/transformers/kinds.ts';
import type { Kinds } from './linkerd-tcp-config.ts';

export const kinds: Kinds = { interpreters: interpreterKinds, namers: namerKinds, transformers: transformerKinds };
