/**
 * Opens connections for undici.
 *
 * TLS settings are asked for at each new connection, so that a certificate that was renewed is used from the next one on. As
 * long as they are the same object one connector serves all connections, which lets them resume TLS sessions.
 */
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { buildConnector } from 'undici';
import { controlLookup } from '../dns/control-lookup.ts';
import { connectFailure } from './failure.ts';

/** The settings to connect with now. @throws where they cannot be used */
export type TlsSource = () => ConnectionOptions;

type Connector = buildConnector.connector;

const keepAliveInitialDelay = 30_000;

export function connectorOf(
  build: typeof buildConnector,
  tls: TlsSource | undefined,
  timeoutMs: number,
  lookup: LookupFunction = controlLookup(),
): Connector {
  let last: { readonly settings: ConnectionOptions | undefined; readonly connect: Connector } | undefined;
  return (options, callback) => {
    try {
      const settings = tls?.();
      if (last === undefined || last.settings !== settings) {
        const fixed = {
          timeout: timeoutMs,
          keepAlive: true,
          keepAliveInitialDelay,
          allowH2: false,
          lookup,
        };
        last = { settings, connect: build({ ...settings, ...fixed }) };
      }
      last.connect(options, (...[error, socket]) => {
        if (error) callback(connectFailure(error), null);
        else callback(null, socket!);
      });
    } catch (error) {
      callback(connectFailure(error), null);
    }
  };
}
