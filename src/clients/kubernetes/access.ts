/** How to reach an API server, and with which identity. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { TlsSource } from '../http/connector.ts';
import { type ClientTlsContext, LiveClientTls } from '../live-client-tls.ts';
import { tokenSource } from '../token-source.ts';

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
  /** The next step when there is no answer, for messages. */
  readonly advice?: string;
  /** Called before every request: tokens and certificates are replaced at run time. */
  credentials(): Promise<Credentials>;
  /** The server did not accept the last ones. */
  refused?(): void;
  /** Follows no files any more. */
  close?(): void;
}

/** A server without authentication, such as `kubectl proxy`, or with client certificates. @param tls closed with it */
export function openAccess(origin: string, tls?: LiveClientTls, advice?: string): Access {
  const credentials = { origin, basePath: '', headers: {}, tls: tls?.source };
  return { where: origin, advice, credentials: async () => credentials, close: () => tls?.close() };
}

/** Where Kubernetes puts what a pod needs to speak with it. */
export const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * As the service account of a pod. The kubelet replaces the token before it expires: it is read for every request, and the last
 * good one is sent where the file is empty or unreadable for a moment. The authority is followed.
 *
 * @param dir has `token` and `ca.crt`
 * @throws LinkerdTcpError CONFIG_UNREADABLE, TLS_UNUSABLE
 */
export function serviceAccountAccess(dir: string, origin: string, context: ClientTlsContext): Access {
  const token = tokenSource({ tokenFile: join(dir, 'token') }, { receiver: 'Kubernetes', tokenIn }, context.log);
  const tls = new LiveClientTls({ disableValidation: false, trustCerts: [join(dir, 'ca.crt')] }, 'Kubernetes', context);
  return {
    where: origin,
    credentials: async () => {
      const headers = { authorization: `Bearer ${await token?.()}` };
      return { origin, basePath: '', headers, tls: tls.source };
    },
    close: () => tls.close(),
  };
}

function tokenIn(text: string): string {
  const token = text.trim();
  if (token === '') throw new Error('it is empty');
  return token;
}

/** @throws LinkerdTcpError CONFIG_UNREADABLE */
export function checkReadable(file: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
