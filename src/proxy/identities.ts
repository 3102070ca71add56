/** Which certificate a client is shown: that of the name it asks for, else of the wildcard above it, else the default one. */
import type { TlsContextId } from '../io/tls/context.ts';
import type { ServerTlsSpec } from './messages.ts';

/**
 * A wildcard stands for one label: RFC 9525 §6.3.
 * @param serverName as in a ClientHello that was read
 * @returns null when the client is to be refused
 */
export function identityFor({ exact, wildcard, fallback }: ServerTlsSpec, serverName: string): TlsContextId | null {
  if (serverName === '') return fallback;
  if (Object.hasOwn(exact, serverName)) return exact[serverName];
  const dot = serverName.indexOf('.');
  const parent = dot < 0 ? '' : serverName.slice(dot);
  return Object.hasOwn(wildcard, parent) ? wildcard[parent] : fallback;
}
