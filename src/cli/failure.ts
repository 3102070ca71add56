/** The message for an operator when a program ends with an error. */
import { LinkerdTcpError } from '../errors.ts';

/** A report is complete; other known errors take one line; a stack is shown only for defects of the program. */
export function failureText(program: string, error: unknown): string {
  if (!(error instanceof LinkerdTcpError))
    return `${program}: internal error, please report it\n${error instanceof Error ? error.stack : String(error)}\n`;
  return error.code === 'CONFIG_INVALID' ? `${error.message}\n` : `${program}: ${error.message}\n`;
}
