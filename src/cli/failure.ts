/** What an operator reads when a program ends by an error. */
import { LinkerdTcpError } from '../errors.ts';

/** A report stands for itself; other errors of ours are one line; a stack is shown for our own defects only. */
export function failureText(program: string, error: unknown): string {
  if (!(error instanceof LinkerdTcpError))
    return `${program}: internal error, please report it\n${error instanceof Error ? error.stack : String(error)}\n`;
  return error.code === 'CONFIG_INVALID' ? `${error.message}\n` : `${program}: ${error.message}\n`;
}
