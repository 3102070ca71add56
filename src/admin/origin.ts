/**
 * Whether a request that changes something comes from the admin's own pages, or from a program, which sends no Origin.
 *
 * A page of another site may make a browser send a POST here. It may even point its own host name at this address ("DNS
 * rebinding"), so that Origin and Host agree: a name counts only when it is localhost or this machine's; an IP address always.
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) {
    return true;
  }
  if (host === undefined || !URL.canParse(origin) || !URL.canParse(`http://${host}`)) {
    return false;
  }
  const page = new URL(origin);
  const name = page.hostname.replace(/^\[|\]$/g, '');
  return (
    (origin === `http://${host}` || origin === `https://${host}`) &&
    (isIP(name) !== 0 || name === 'localhost' || name === hostname().toLowerCase())
  );
}
