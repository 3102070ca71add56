/** How an https base URL is trusted, and the client certificate: --tls-ca, --tls-cert, --tls-key and their variables. */
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { connectionOptions, readMaterial } from '../clients/client-tls.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import type { BaseUrl } from './base-url.ts';
import { labelOf, type Settings } from './settings.ts';

/** OpenSSL puts the place in its code before the reason. */
const openSslPlace = /^error:[\dA-F]+:[^:]*:[^:]*:/;

/** Undefined for plain http. @throws LinkerdTcpError TLS_UNUSABLE, CONFIG_UNREADABLE */
export async function tlsOf(settings: Settings, { url, origin }: BaseUrl): Promise<ConnectionOptions | undefined> {
  const [ca, cert, key] = await Promise.all(
    (['tls-ca', 'tls-cert', 'tls-key'] as const).map(name => settings.path(name)),
  );
  if (url.protocol !== 'https:') {
    // Elsewhere they may stand for other base URLs.
    const flag = [ca, cert, key].find(setting => setting?.by === 'flag');
    if (flag === undefined) return undefined;
    throw new LinkerdTcpError('USAGE_INVALID', {
      reason: `${flag.origin} needs a base URL with https; ${origin} says http`,
    });
  }
  if ((cert === undefined) !== (key === undefined))
    return unusable(
      cert
        ? `${labelOf('tls-cert', cert)} needs a tls-key beside it`
        : `${labelOf('tls-key', key!)} needs a tls-cert beside it`,
    );
  const config = {
    disableValidation: false,
    ...(ca && { trustCerts: [ca.value] }),
    ...(cert && key && { clientAuth: { certPath: cert.value, keyPath: key.value } }),
  };
  const options = connectionOptions(config, readMaterial(config));
  if (ca && !/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(String(options.ca)))
    return unusable(`no certificate in ${ca.value}`);
  try {
    createSecureContext(options);
  } catch (error) {
    const files = [ca, cert, key].flatMap(setting => setting?.value ?? []).join(', ');
    return unusable(`${files}: ${reasonOf(error).replace(openSslPlace, '')}`, error);
  }
  return options;
}

function unusable(reason: string, cause?: unknown): never {
  throw new LinkerdTcpError('TLS_UNUSABLE', { reason }, { cause });
}
