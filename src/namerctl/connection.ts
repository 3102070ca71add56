/** All that is needed to speak to namerd. */
import type { ConnectionOptions } from 'node:tls';
import { type BaseUrl, baseUrlOf } from './base-url.ts';
import { credentials } from './request-target.ts';
import type { Settings } from './settings.ts';
import { type Identity, identityOf } from './token.ts';

export interface Connection extends Identity {
  readonly baseUrl: BaseUrl;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ConnectionOptions | undefined;
  /** For each answer. */
  readonly timeoutMs: number;
}

/** @throws LinkerdTcpError where a setting cannot be used */
export async function connectionOf(settings: Settings): Promise<Connection> {
  const { timeoutMs } = settings;
  // A file that is named must be usable, even if nothing of it is needed.
  if (settings.flags.config !== undefined) await settings.file();
  const baseUrl = await baseUrlOf(settings);
  const identity = await identityOf(settings, baseUrl);
  const { token } = identity;
  const headers: Connection['headers'] = token ? { authorization: `Bearer ${token.text}` } : credentials(baseUrl.url);
  return { ...identity, baseUrl, headers, tls: await tlsFor(settings, baseUrl), timeoutMs };
}

/** TLS code is loaded only for https, or to refuse a TLS flag without https. */
async function tlsFor(settings: Settings, baseUrl: BaseUrl): Promise<ConnectionOptions | undefined> {
  const { tlsCa, tlsCert, tlsKey } = settings.flags;
  if (baseUrl.url.protocol !== 'https:' && [tlsCa, tlsCert, tlsKey].every(flag => flag === undefined)) return undefined;
  const { tlsOf } = await import('./tls.ts');
  return tlsOf(settings, baseUrl);
}
