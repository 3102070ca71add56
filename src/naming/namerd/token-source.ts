/**
 * The token that a client of namerd sends: the one of the configuration, or the first in a file, which is read again for every
 * request, so that a new token is used from the next one on.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { tokensIn } from './token.ts';

export type TokenSource = () => Promise<string>;

interface TokenKeys {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** Undefined where neither is given. @throws LinkerdTcpError CONFIG_UNREADABLE */
export function tokenSource({ token, tokenFile }: TokenKeys, log: Log): TokenSource | undefined {
  if (tokenFile !== undefined) return fileSource(tokenFile, log);
  return token === undefined ? undefined : async () => token;
}

/** A file that cannot be used any more is said once; the last good token is sent on. */
function fileSource(file: string, log: Log): TokenSource {
  let token = firstToken(file);
  let isGood = true;
  return async () => {
    try {
      token = tokensIn(await readFile(file, 'utf8'))[0];
      if (!isGood) log.info(`${file} can be used again`);
      isGood = true;
    } catch (error) {
      if (isGood) log.warn(`${file} cannot be used; the token it had is sent to namerd`, { reason: reasonOf(error) });
      isGood = false;
    }
    return token;
  };
}

function firstToken(file: string): string {
  try {
    return tokensIn(readFileSync(file, 'utf8'))[0];
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
