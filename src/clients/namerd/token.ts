/**
 * Bearer tokens of namerd's API (RFC 6750): what one looks like, as a value in a configuration and in a file.
 *
 * A message about a token never says any of it.
 */
import type { Log } from '../../log.ts';
import { type TokenKeys, type TokenSource, tokenKey, tokenSource } from '../token-source.ts';

/** Shorter ones are guessed. */
const shortest = 16;
/** A header has to hold it. */
const longest = 1024;
export const mostTokenFileBytes = 64 * 1024;

/** Why `value` is no token; undefined when it is one. */
export function tokenProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is no text; put it in quotes';
  if (value === '') return 'is empty';
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(value)) return 'may only have letters, digits and -._~+/ (and = at its end)';
  if (value.length < shortest) return `is too short: at least ${shortest} characters, best from a random source`;
  return value.length > longest ? `is longer than ${longest} characters` : undefined;
}

/** A token as a key of a configuration. */
export const tokenText = (description: string) => tokenKey(description, tokenProblem);

/** The token that a client sends: the first of a file. Undefined if none is given. @throws LinkerdTcpError CONFIG_UNREADABLE */
export const namerdToken = (keys: TokenKeys, log: Log): TokenSource | undefined =>
  tokenSource(keys, { receiver: 'namerd', tokenIn: text => tokensIn(text)[0] }, log);

/** The tokens in a file, one on each line. @throws Error that explains the problem of the file */
export function tokensIn(text: string): readonly string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const tokens = lines.flatMap((line, i) => {
    const token = line.trim();
    if (token === '') return [];
    const problem = tokenProblem(token);
    if (problem !== undefined) throw new Error(`the token on line ${i + 1} ${problem}`);
    return [token];
  });
  if (tokens.length === 0) throw new Error('there is no token in it');
  return tokens;
}
