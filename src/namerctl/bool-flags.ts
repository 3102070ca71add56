/** Boolean flags as Go's programs take them: `--pretty`, `--pretty=false`, `--pretty=0`. */
import { LinkerdTcpError } from '../errors.ts';

const truths: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  true: true,
  '0': false,
  f: false,
  false: false,
};

/** The same arguments with `--flag=false` written as `--no-flag`, as commander knows it. Arguments after `--` are not changed. */
export function plainFlags(args: readonly string[], flags: readonly string[]): string[] {
  const end = args.indexOf('--');
  const head = end < 0 ? args : args.slice(0, end);
  return [...head.map(arg => plainFlag(arg, flags)), ...args.slice(head.length)];
}

function plainFlag(arg: string, flags: readonly string[]): string {
  const [, flag, value] = /^--([a-z-]+)=(.*)$/s.exec(arg) ?? [];
  if (flag === undefined || !flags.includes(flag)) return arg;
  const truth = truths[value.toLowerCase()];
  if (truth === undefined)
    throw new LinkerdTcpError('USAGE_INVALID', { reason: `--${flag}=${value}: expected true or false` });
  return truth ? `--${flag}` : `--no-${flag}`;
}
