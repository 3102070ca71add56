/** All that is needed to speak to namerd. */
import type { ConnectionOptions } from 'node:tls';
import { type BaseUrl, baseUrlOf } from './base-url.ts';
import { credentials } from './request-target.ts';
import type { Settings } from './settings.ts';
import { tlsOf } from './tls.ts';
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
export function connectionOf(settings: Settings): Connection {
  const { timeoutMs } = settings;
  const baseUrl = baseUrlOf(settings);
  const identity = identityOf(settings, baseUrl);
  const { token } = identity;
  const headers: Connection['headers'] = token ? { authorization: `Bearer ${token.text}` } : credentials(baseUrl.url);
  return { ...identity, baseUrl, headers, tls: tlsOf(settings, baseUrl), timeoutMs };
}
