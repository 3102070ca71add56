/**
 * The token that authenticates namerctl to namerd: from --token-file, NAMERCTL_TOKEN, NAMERCTL_TOKEN_FILE or `token-file` in the
 * configuration file, in this order. It is for the base URL alone; one of a configuration file is for the base URL of that file.
 */
import { readFileSync } from 'node:fs';
import { isLoopback } from '../clients/namerd/loopback.ts';
import { fileReason, LinkerdTcpError } from '../errors.ts';
import { type BaseUrl, parseBaseUrl } from './base-url.ts';
import { shownUrl } from './request-target.ts';
import type { Settings } from './settings.ts';

export interface Token {
  /** Never shown. */
  readonly text: string;
  readonly origin: string;
}

export interface Identity {
  readonly token?: Token;
  /** A configuration file whose token is for another base URL, and is not sent. */
  readonly withheld?: string;
}

const variable = 'NAMERCTL_TOKEN';

/** @throws LinkerdTcpError TOKEN_UNUSABLE */
export async function identityOf(settings: Settings, baseUrl: BaseUrl): Promise<Identity> {
  const identity = await given(settings, baseUrl);
  const { token } = identity;
  if (token !== undefined && (baseUrl.url.username !== '' || baseUrl.url.password !== ''))
    unusable(token.origin, `the base URL of ${baseUrl.origin} has a user already, and only one can be sent`);
  return identity;
}

async function given(settings: Settings, baseUrl: BaseUrl): Promise<Identity> {
  const file = await settings.path('token-file');
  const inEnvironment = settings.terminal.env[variable];
  if (inEnvironment && file?.by !== 'flag')
    return { token: { text: checked(inEnvironment, variable), origin: variable } };
  if (file === undefined) return {};
  if (file.by === 'file' && !(await isFor(settings, baseUrl))) return { withheld: file.origin };
  return { token: { text: checked(firstLine(read(file.value)), file.value), origin: file.value } };
}

/** Whether the token of the configuration file is for this base URL: another one may belong to another organization. */
async function isFor(settings: Settings, { url }: BaseUrl): Promise<boolean> {
  const file = await settings.file();
  const own = file?.values['base-url'];
  return own === undefined || parseBaseUrl(own, file!.file).origin === url.origin;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = fileReason(error);
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason }, { cause: error });
  }
}

/** There may be more while a token is replaced by another. */
const firstLine = (text: string): string => text.trim().split('\n')[0];

function checked(text: string, origin: string): string {
  const token = text.trim();
  if (token === '') unusable(origin, 'it is empty');
  if (/\s/.test(token)) unusable(origin, 'a token is one word');
  if (!/^[\x21-\x7e]+$/.test(token)) unusable(origin, 'it has characters that cannot be sent in a header');
  return token;
}

function unusable(origin: string, reason: string): never {
  throw new LinkerdTcpError('TOKEN_UNUSABLE', { origin, reason });
}

/** The warning if others on the network path can read the token. */
export function exposure(token: Token | undefined, { url }: BaseUrl): string | undefined {
  if (token === undefined || url.protocol === 'https:' || isLoopback(url)) return undefined;
  return `the token of ${token.origin} goes to ${shownUrl(url)} unencrypted; use https`;
}
