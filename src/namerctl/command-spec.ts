/** The description of a command, from which the command line, its help and shell completions are made. */
import type { Session } from './session.ts';

export interface Argument {
  readonly name: string;
  readonly description: string;
  /** Any number of them, at least one. */
  readonly isRepeated?: boolean;
  /** Completions that a shell offers: namespaces of the server, names of files, or these words. */
  readonly completes?: 'namespaces' | 'files' | readonly string[];
}

export interface Flag {
  /** As commander writes them: `-n, --namespace <name>`. */
  readonly flags: string;
  readonly description: string;
  /** On unless `--no-…` is given. */
  readonly isOn?: boolean;
  readonly completes?: Argument['completes'];
}

/** Values of flags by their name in camel case. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandSpec {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** More for the command's own help. */
  readonly about?: string;
  readonly args: readonly Argument[];
  readonly flags?: readonly Flag[];
  /** A command line after `namerctl `, and what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Whether it is also a sub-command of `dtab`, where the original has them all. */
  readonly isOfDtab: boolean;
  /** Whether it needs no namerd. */
  readonly isOffline?: boolean;
  /** @returns the exit code where it is not 0 */
  run(session: Session, args: readonly string[], flags: Flags): Promise<number | undefined>;
}
