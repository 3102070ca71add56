/** Opens connections for undici: with a DNS client of its own, a deadline, and errors that mark the request as not sent. */
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { buildConnector } from 'undici';
import { controlLookup } from '../dns/control-lookup.ts';
import { connectFailure } from './failure.ts';

/** The settings to connect with now: the same object for as long as they are the same. */
export type TlsSource = () => ConnectionOptions;

type Connector = buildConnector.connector;

const keepAliveInitialDelay = 30_000;

/** One for all connections with the same settings, so that TLS sessions are resumed. */
export function connectorOf(
  build: typeof buildConnector,
  tls: ConnectionOptions | undefined,
  timeoutMs: number,
  lookup: LookupFunction = controlLookup(),
): Connector {
  const connect = build({
    ...tls,
    timeout: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelay,
    allowH2: false,
    lookup,
  });
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error) callback(connectFailure(error), null);
      else callback(null, socket!);
    });
}
