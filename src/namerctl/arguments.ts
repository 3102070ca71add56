/** Arguments and flags that several commands have. */
import { LinkerdTcpError } from '../errors.ts';
import type { Argument, Flag, Flags } from './command-spec.ts';

export const namespaceArgument: Argument = {
  name: 'namespace',
  description: 'name of a dtab',
  completes: 'namespaces',
};

export const fileArgument: Argument = {
  name: 'file',
  description: 'dtab as text or JSON, - for standard input',
  completes: 'files',
};

export const namespaceFlag: Flag = {
  flags: '-n, --namespace <name>',
  description: 'whose dtab applies (default "default")',
  completes: 'namespaces',
};

export const extraDtabFlag: Flag = {
  flags: '--dtab <text>',
  description: 'more dentries, as if they stood at the end',
};

export const dryRunFlag: Flag = { flags: '--dry-run', description: 'show what would change, change nothing' };

export const namespaceOf = (flags: Flags): string => namespaceIn((flags.namespace as string | undefined) ?? 'default');

/** An empty one would ask for the list of all. */
export function namespaceIn(word: string): string {
  if (word !== '') return word;
  throw new LinkerdTcpError('USAGE_INVALID', { reason: 'the namespace is empty' });
}
