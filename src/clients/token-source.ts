/**
 * The token that a client sends: the one of the configuration, or what a file has, which is read again for every request, so that
 * a new token is used from the next one on.
 *
 * A message about a token never says any of it.
 */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { secret } from '../config/secret-fields.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';

export type TokenSource = () => Promise<string>;

export interface TokenKeys {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export interface TokenFormat {
  /** To whom it is sent, for messages. */
  readonly receiver: string;
  /** The token in the text of a file. @throws Error that explains the problem without quoting the text */
  tokenIn(text: string): string;
}

/** A token as a key of a configuration. @param problem why a value is none; undefined when it is one */
export const tokenKey = (description: string, problem: (value: unknown) => string | undefined) =>
  secret(
    z.custom<string>().superRefine((value, context) => {
      const message = problem(value);
      // Other complaints than `custom` ones would quote what was found.
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
  ).meta({ type: 'string', description });

/** Undefined where neither is given. @throws LinkerdTcpError CONFIG_UNREADABLE */
export function tokenSource({ token, tokenFile }: TokenKeys, format: TokenFormat, log: Log): TokenSource | undefined {
  if (tokenFile !== undefined) return fileSource(tokenFile, format, log);
  return token === undefined ? undefined : async () => token;
}

/** A file that cannot be used any more is said once; the last good token is sent on. */
function fileSource(file: string, { receiver, tokenIn }: TokenFormat, log: Log): TokenSource {
  let token = firstToken(file, tokenIn);
  let isGood = true;
  return async () => {
    try {
      token = tokenIn(await readFile(file, 'utf8'));
      if (!isGood) log.info(`${file}: recovered`);
      isGood = true;
    } catch (error) {
      const reason = reasonOf(error);
      if (isGood) log.warn(`${file} cannot be used; the last good token is still sent to ${receiver}`, { reason });
      isGood = false;
    }
    return token;
  };
}

function firstToken(file: string, tokenIn: TokenFormat['tokenIn']): string {
  try {
    return tokenIn(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
