/** The kinds of interpreters a config can choose from. */
import type { InterpreterKind } from '../naming/kinds.ts';
import { defaultInterpreter } from './default.ts';
import { fsInterpreter } from './fs.ts';
import { namerdHttpInterpreter } from './namerd-http-kind.ts';

export const interpreterKinds: readonly InterpreterKind[] = [defaultInterpreter, fsInterpreter, namerdHttpInterpreter];
