/** How the programs end. Numbers follow sysexits(3); the help texts and docs/reference/exit-codes.md are made from here. */
import { LinkerdTcpError } from '../errors.ts';

export const exitCodes = {
  ok: { code: 0, text: 'stopped cleanly, or there was nothing to complain about' },
  aborted: { code: 1, text: 'stopped immediately on request: POST /abort, or a second signal' },
  usage: { code: 64, text: 'wrong use of the command line' },
  unavailable: { code: 69, text: 'a listen address is unavailable' },
  internal: { code: 70, text: 'internal error, or no suitable Node.js' },
  config: { code: 78, text: 'the configuration, or a file it names, cannot be used' },
} as const;

/** For the help text: one line each. */
export const exitCodesHelp = (): string =>
  Object.values(exitCodes)
    .map(({ code, text }) => `  ${String(code).padStart(2)}  ${text}`)
    .join('\n');

/** The exit code for something thrown before or while the program ran. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof LinkerdTcpError)) return exitCodes.internal.code;
  if (error.code === 'CANNOT_LISTEN') return exitCodes.unavailable.code;
  // Its file, in most cases; a store that is elsewhere does not keep a program from starting.
  if (error.code === 'STORE_UNAVAILABLE') return exitCodes.config.code;
  return error.row.side === 'config' ? exitCodes.config.code : exitCodes.internal.code;
}
