/** Where a request comes from, as the log and the history name it. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Principal } from '../access/access.ts';

const maxNameChars = 128;

/** Name of a verified client certificate: its common name, else its whole subject. */
export function certificateName(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { readonly subject?: Readonly<Record<string, unknown>> };
  if (subject === undefined) return undefined;
  const name =
    subject['CN'] ??
    Object.entries(subject)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
  return (
    String(name)
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, maxNameChars) || undefined
  );
}

/** Author of a write for the history: the name of the token, else of the certificate. */
export const authorName = (principal: Principal, socket: Socket): string | undefined =>
  principal.name ?? certificateName(socket);

/** The same for the log. */
export function describeClient({ name }: Principal, socket: Socket): string {
  const ip = socket.remoteAddress ?? 'a closed connection';
  if (name !== undefined) return `token ${name} from ${ip}`;
  const certificate = certificateName(socket);
  return certificate === undefined ? `${ip} without a token` : `certificate ${certificate} from ${ip}`;
}
