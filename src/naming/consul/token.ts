/**
 * The ACL token sent to Consul: the one of the configuration, or what a file has, which is read again for every request, so that
 * a new token is used from the next one on.
 *
 * A message about a token never says any of it.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';

export type ConsulToken = () => Promise<string>;

interface TokenKeys {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** A token as a key of a configuration. Every complaint is a `custom` one: others would quote what was found. */
export const consulTokenText = (description: string) =>
  z
    .custom<string>()
    .superRefine((value, context) => {
      const problem = tokenProblem(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .meta({ type: 'string', description });

/** Undefined where neither is given. @throws LinkerdTcpError CONFIG_UNREADABLE */
export function consulToken({ token, tokenFile }: TokenKeys, log: Log): ConsulToken | undefined {
  if (tokenFile !== undefined) return fileToken(tokenFile, log);
  return token === undefined ? undefined : async () => token;
}

/** A file that cannot be used any more is said once; the last good token is sent on. */
function fileToken(file: string, log: Log): ConsulToken {
  let token = firstToken(file);
  let isGood = true;
  return async () => {
    try {
      token = tokenIn(await readFile(file, 'utf8'));
      if (!isGood) log.info(`${file} can be used again`);
      isGood = true;
    } catch (error) {
      if (isGood) log.warn(`${file} cannot be used; the token it had is sent to Consul`, { reason: reasonOf(error) });
      isGood = false;
    }
    return token;
  };
}

function firstToken(file: string): string {
  try {
    return tokenIn(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}

function tokenIn(text: string): string {
  const token = text.trim();
  const problem = tokenProblem(token);
  if (problem !== undefined) throw new Error(`the token in it ${problem}`);
  return token;
}

/** Why `value` is no token; undefined when it is one. Consul makes UUIDs, and takes what an operator has made. */
function tokenProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is no text; put it in quotes';
  if (value === '') return 'is empty';
  return /^[\x21-\x7e]+$/.test(value) ? undefined : 'may only have visible ASCII characters, and no spaces';
}
