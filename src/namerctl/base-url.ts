/** Where namerd is: what was said, else this machine. */
import { LinkerdTcpError } from '../errors.ts';
import type { Settings } from './settings.ts';

export interface BaseUrl {
  readonly url: URL;
  /** Its source, for messages. */
  readonly origin: string;
}

/** The default address of this namerd and of the original. */
export const defaultBaseUrl = 'http://127.0.0.1:4180';

/** @throws LinkerdTcpError BASE_URL_INVALID */
export async function baseUrlOf(settings: Settings): Promise<BaseUrl> {
  const said = await settings.of('base-url');
  return said === undefined
    ? { url: new URL(defaultBaseUrl), origin: 'the default' }
    : { url: parseBaseUrl(said.value, said.origin), origin: said.origin };
}

export function parseBaseUrl(text: string, origin: string): URL {
  const invalid = (reason: string): never => {
    throw new LinkerdTcpError('BASE_URL_INVALID', { url: withoutPassword(text) || '""', origin, reason });
  };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const guess = URL.parse(`http://${text}`);
    const meant = `no scheme; did you mean http://${withoutPassword(text)}?`;
    return invalid(guess?.host ? meant : `expected one like ${defaultBaseUrl}`);
  }
  const url = URL.parse(text);
  if (!url?.host) return invalid('no host');
  if (!/^https?:$/.test(url.protocol)) return invalid('expected http or https');
  if (!isDecodable(url.username) || !isDecodable(url.password))
    return invalid('a % in the user or password must be written %25');
  return url;
}

const withoutPassword = (text: string): string => text.replace(/[^/]*@(?=[^@]*$)/, '…@');

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
