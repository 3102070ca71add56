/**
 * Keeps web pages of other sites away from an HTTP API, which browsers would otherwise let them use.
 *
 * - DNS rebinding: a page may point its own host name at this address. A server on loopback therefore answers only hosts that
 *   are an address, localhost, this machine's name or listed in `allowedHosts`; and a page may write only from such an origin.
 * - Cross-site requests: browsers send Sec-Fetch-Site and, with writes, Origin. Programs send neither.
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { LinkerdTcpError } from './errors.ts';

export interface HostRules {
  /** Address that the server listens on. */
  readonly ip: string;
  /** Further host names, in lower case, that clients may use. */
  readonly allowedHosts?: readonly string[];
  /** Key of `allowedHosts` in the configuration, for the message. */
  readonly key: string;
}

export interface BrowserRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Why a request is refused; undefined for one that may be answered. */
export function browserRefusal(request: BrowserRequest, rules: HostRules): LinkerdTcpError | undefined {
  const { method, headers } = request;
  const path = request.url.replace(/[?#].*$/s, '').slice(0, 200);
  if (countHosts(request) > 1) return new LinkerdTcpError('REQUEST_INVALID', { reason: 'more than one Host header' });
  const host = textOf(headers['host']);
  if (isLoopback(rules.ip) && host !== undefined && !isOwnHost(host, rules))
    return new LinkerdTcpError('HOST_REFUSED', { host: host.slice(0, 200), key: rules.key });
  const origin = textOf(headers['origin']);
  const isWrite = !readMethods.has(method);
  if (isWrite && !isOwnOrigin(origin, host, rules))
    return new LinkerdTcpError('ORIGIN_REFUSED', { path, origin: origin!.slice(0, 200) });
  const site = textOf(headers['sec-fetch-site']);
  const isForeign = site === 'cross-site' || (isWrite && site === 'same-site');
  const isLink = !isWrite && textOf(headers['sec-fetch-mode']) === 'navigate';
  if (isForeign && !isLink) return new LinkerdTcpError('ORIGIN_REFUSED', { path, origin: `another site (${site})` });
  return undefined;
}

const readMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export const isLoopback = (ip: string): boolean => /^(::ffff:)?127\./i.test(ip) || ip === '::1';

/** An address cannot be rebound; a name counts only if it is known to belong to this server. */
function isOwnHost(host: string, { allowedHosts = [] }: Pick<HostRules, 'allowedHosts'>): boolean {
  const name = nameIn(`http://${host}`);
  if (name === undefined) return false;
  return (
    isIP(name) !== 0 ||
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === hostname().toLowerCase() ||
    allowedHosts.includes(name)
  );
}

/** Whether a page of this origin may change something; programs send no Origin. */
function isOwnOrigin(origin: string | undefined, host: string | undefined, rules: HostRules): boolean {
  if (origin === undefined) return true;
  if (host === undefined || (origin !== `http://${host}` && origin !== `https://${host}`)) return false;
  return isOwnHost(host, rules);
}

function nameIn(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : undefined;
}

function countHosts({ rawHeaders }: BrowserRequest): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (/^host$/i.test(rawHeaders[i])) count++;
  return count;
}

const textOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.join(',');
