/** How an API server is reached, and who we are to it. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { TlsSource } from '../http/connector.ts';

export interface Credentials {
  /** `http://localhost:8001` */
  readonly origin: string;
  /** Stands before every path; may be empty. */
  readonly basePath: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The same function for as long as it is the same identity; undefined for plain HTTP. */
  readonly tls: TlsSource | undefined;
}

export interface Access {
  /** The server, for messages. */
  readonly where: string;
  /** What to do when nothing answers there, for messages. */
  readonly advice?: string;
  /** Asked before every request: tokens and certificates are replaced while we run. */
  credentials(): Promise<Credentials>;
  /** The server did not accept the last ones. */
  refused?(): void;
}

/** A server that asks for nothing, such as `kubectl proxy`, or knows us by our certificate. */
export function openAccess(origin: string, tls?: TlsSource, advice?: string): Access {
  const credentials = { origin, basePath: '', headers: {}, tls };
  return { where: origin, advice, credentials: async () => credentials };
}

/** Where Kubernetes puts what a pod needs to speak with it. */
export const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * As the service account of a pod. Its token and the authority are read for every request: the kubelet replaces the token before it
 * expires, by a swap of a symbolic link, so that a whole one is there at any time.
 *
 * @param folder has `token` and `ca.crt`
 * @throws LinkerdTcpError CONFIG_UNREADABLE
 */
export function serviceAccountAccess(folder: string, origin: string): Access {
  const tokenFile = join(folder, 'token');
  const caFile = join(folder, 'ca.crt');
  for (const file of [tokenFile, caFile]) checkReadable(file);
  let ca = '';
  let tls: TlsSource | undefined;
  return {
    where: origin,
    async credentials() {
      const [token, authority] = await Promise.all([readFile(tokenFile, 'utf8'), readFile(caFile, 'utf8')]);
      if (authority !== ca) {
        const options = { ca: authority };
        ca = authority;
        tls = () => options;
      }
      return { origin, basePath: '', headers: { authorization: `Bearer ${token.trim()}` }, tls };
    },
  };
}

/** @throws LinkerdTcpError CONFIG_UNREADABLE */
export function checkReadable(file: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
