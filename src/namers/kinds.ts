/** The kinds of namers a config can choose from. */
import type { NamerKind } from '../naming/kinds.ts';
import { fsNamer } from './fs.ts';
import { rewriteNamer } from './rewrite.ts';

export const namerKinds: readonly NamerKind[] = [fsNamer, rewriteNamer];
