/** The words a shell can offer, read from the table of commands. */
import { Option } from 'commander';
import type { Argument, CommandSpec, Flag } from '../command-spec.ts';

export interface FlagWords {
  /** `-n`, `--namespace` */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly completes: Argument['completes'];
}

export interface CommandWords {
  readonly names: readonly string[];
  readonly summary: string;
  readonly args: readonly Argument[];
  readonly flags: readonly FlagWords[];
  readonly isOfDtab: boolean;
}

export interface Words {
  readonly commands: readonly CommandWords[];
  /** Flags of every command. */
  readonly common: readonly FlagWords[];
}

/** How the word before the others is called in the scripts' tables; it has commands of its own. */
export const dtabWord = 'dtab';
export const dtabSummary = 'the commands for dtabs';

export function wordsOf(commands: readonly CommandSpec[], common: readonly Flag[]): Words {
  return {
    commands: commands.map(({ name, aliases = [], summary, args, flags = [], isOfDtab }) => ({
      names: [name, ...aliases],
      summary,
      args,
      flags: flags.map(flagWords),
      isOfDtab,
    })),
    common: [
      ...common.map(flagWords),
      { names: ['-h', '--help'], description: 'print help', takesValue: false, completes: undefined },
    ],
  };
}

function flagWords({ flags, description, completes }: Flag): FlagWords {
  const { short, long } = new Option(flags);
  return {
    names: [short, long].filter(name => name !== undefined),
    description,
    takesValue: flags.includes('<'),
    completes,
  };
}

/** All flags that the next word belongs to. */
export const valueFlags = ({ commands, common }: Words): readonly string[] => [
  ...new Set(
    [...common, ...commands.flatMap(({ flags }) => flags)].filter(flag => flag.takesValue).flatMap(flag => flag.names),
  ),
];

/** Asks namerd, quickly, and says nothing when there is none. */
export const namespacesCommand = 'NAMERCTL_TIMEOUT=1s namerctl list 2>/dev/null';
