/** The ACL token sent to Consul: what one looks like. */
import type { Log } from '../../log.ts';
import { type TokenKeys, type TokenSource, tokenKey, tokenSource } from '../token-source.ts';

/** A token as a key of a configuration. */
export const consulTokenText = (description: string) => tokenKey(description, tokenProblem);

/** Undefined where neither is given. @throws LinkerdTcpError CONFIG_UNREADABLE */
export const consulToken = (keys: TokenKeys, log: Log): TokenSource | undefined =>
  tokenSource(keys, { receiver: 'Consul', tokenIn }, log);

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
