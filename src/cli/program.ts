/** Options, signals and exit codes of the daemons. */
import { CommanderError } from 'commander';
import { z } from 'zod';
import type { Outcome } from '../app/outcome.ts';
import { LinkerdTcpError } from '../errors.ts';
import { unblockSigusr1 } from '../io/native/unblock-sigusr1.ts';
import { createLog, type ProgramLog } from '../log.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { failureText } from './failure.ts';
import { followSignals, type Signalled } from './signals.ts';
import { Starting } from './starting.ts';

export interface Running extends Signalled {
  /** Resolves when all is over. */
  readonly done: Promise<Outcome>;
}

export interface Run<P extends Running> {
  /** May throw; then nothing runs. */
  start(log: ProgramLog): Promise<P>;
  /** It runs. */
  started?(program: P): Promise<void>;
  /** At the end, in any case. */
  ended?(): Promise<void>;
}

/** Runs to the end, through signals. @returns the exit code */
export async function runProgram<P extends Running>(run: Run<P>): Promise<number> {
  const starting = new Starting();
  const log = createLog();
  const unfollow = followSignals(starting, { warn: text => log.warn(text) });
  try {
    await unblockSigusr1();
    const program = await Promise.race([run.start(log), starting.stopped]);
    // Whatever has started by then ends with the process.
    if (typeof program === 'string') return codeOfOutcome[program];
    starting.become(program);
    await run.started?.(program);
    return codeOfOutcome[await program.done];
  } finally {
    unfollow();
    await run.ended?.();
    await log.close();
  }
}

const codeOfOutcome: Readonly<Record<Outcome, number>> = {
  stopped: exitCodes.ok.code,
  aborted: exitCodes.aborted.code,
  died: exitCodes.internal.code,
};

/** Prints the JSON Schema of a configuration. @returns the exit code */
export function printSchema(schema: z.ZodType): number {
  const document = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  return exitCodes.ok.code;
}

/** Ends the process as `main` says, or with what an operator needs to know of how it failed. */
export async function exitWith(name: string, main: () => Promise<number>): Promise<never> {
  const ended = (error: unknown): number => {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    process.stderr.write(failureText(name, error));
    if (error instanceof LinkerdTcpError && typeof error.details.translation === 'string')
      process.stdout.write(error.details.translation);
    return exitCodeOf(error);
  };
  process.on('uncaughtException', error => {
    process.exit(ended(error));
  });
  return process.exit(await main().catch(ended));
}
