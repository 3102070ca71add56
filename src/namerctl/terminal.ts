/** All that a command touches besides namerd: the real one is made in cli/, tests make their own. */

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative file names and the search for a configuration file start. */
  readonly folder: string;
  readonly stdin: NodeJS.ReadableStream;
  /** Whether a person reads standard output: it is a terminal, not a pipe or a file. */
  readonly isTty: boolean;
  /** Whether standard output is a terminal that shows colours. */
  readonly hasColour: boolean;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Asks the operator at the terminal; undefined without a terminal. @returns the answer, a line */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Aborted by Ctrl-C or SIGTERM, which from the first call on do not end the program by themselves. */
  interruption(): AbortSignal;
  print(text: string): void;
  /** To standard error. */
  complain(text: string): void;
  /** Lets a person edit `file` with `command`, a shell command. @returns its exit code, or a reason why there is none */
  edit(command: string, file: string): Promise<number | string>;
}

const codes = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;

export type Paint = (colour: keyof typeof codes, text: string) => string;

/** Colours text where the terminal shows them, else leaves it as it is. */
export function paintOn({ hasColour }: Terminal): Paint {
  return hasColour ? (colour, text) => `\x1b[${codes[colour]}m${text}\x1b[0m` : (_, text) => text;
}
