/** The keys that everything which asks Consul has in a configuration, and the client that comes of them. */
import { z } from 'zod';
import { host, wholeNumber } from '../../config/fields.ts';
import { filePath } from '../../config/file-fields.ts';
import { clientTls, type TlsConfig } from '../client-tls.ts';
import { type ClientTlsContext, liveClientTls } from '../live-client-tls.ts';
import { ConsulClient } from './client.ts';
import { consulToken, consulTokenText } from './token.ts';

export const consulKeys = {
  host: host().default('localhost').meta({ description: 'where an agent or a server of Consul is' }),
  port: wholeNumber(1, 65_535, 'a port, a whole number from 1 to 65535')
    .default(8500)
    .meta({ description: 'the port of its HTTP API' }),
  token: consulTokenText('the ACL token to send').optional(),
  tokenFile: filePath().optional().meta({
    description: 'a file that has the ACL token; it is read again for every request, so a new token needs no restart',
  }),
  failFast: z.boolean().default(false).meta({
    description: 'accepted for configs of Linkerd 1.x; changes nothing, no request waits for a host that is down',
  }),
  tls: clientTls.optional().meta({ description: 'speak https, and how Consul is trusted' }),
};

interface ConsulConfig {
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly datacenter?: string | undefined;
  readonly tls?: TlsConfig | undefined;
}

/** E.g. `http://localhost:8500` */
export function consulOrigin({ host, port, tls }: ConsulConfig): string {
  const isSecure = tls !== undefined && tls.enabled !== false;
  return `${isSecure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** @throws LinkerdTcpError CONFIG_UNREADABLE for a file that cannot be read, TLS_UNUSABLE */
export function consulClient(config: ConsulConfig, context: ClientTlsContext): ConsulClient {
  const { datacenter } = config;
  const token = consulToken(config, context.log);
  const tls = liveClientTls(config.tls, 'Consul', context);
  return new ConsulClient({
    origin: consulOrigin(config),
    ...(tls !== undefined && { tls }),
    ...(token !== undefined && { token }),
    ...(datacenter !== undefined && { datacenter }),
  });
}
