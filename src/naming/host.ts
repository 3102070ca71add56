/** What is known of a host, and hosts that say their address themselves. */
import { isIPv6 } from 'node:net';

/**
 * `ips` are numeric, sorted and distinct. `unconfirmed`: this was known, and DNS fails now; whoever kept it has told the operator.
 */
export type Host =
  | { readonly state: 'pending' }
  | { readonly state: 'bound'; readonly ips: readonly string[]; readonly unconfirmed?: Error }
  | { readonly state: 'neg'; readonly unconfirmed?: Error }
  | { readonly state: 'failed'; readonly error: Error };

export function sameHost(a: Host, b: Host): boolean {
  if (a.state === 'failed') return b.state === 'failed' && a.error.message === b.error.message;
  if (a.state === 'pending' || b.state === 'pending' || b.state === 'failed') return a.state === b.state;
  if (a.unconfirmed?.message !== b.unconfirmed?.message) return false;
  return a.state === 'bound' ? b.state === 'bound' && a.ips.join() === b.ips.join() : b.state === 'neg';
}

/** Hosts that need no look-up: numeric ones, and none at all, which means this machine. */
export function literalHost(host: string): Host | undefined {
  if (host === '') return { state: 'bound', ips: ['127.0.0.1'] };
  const ip = isIPv6(host) ? host : shorthandIPv4(host);
  return ip === undefined ? undefined : { state: 'bound', ips: [ip] };
}

/**
 * IPv4 with one to four decimal parts, the last of which fills the rest: `127.1` is 127.0.0.1. Parts with leading zeros are not
 * numbers here, because programs disagree on whether they are octal.
 */
export function shorthandIPv4(host: string): string | undefined {
  const parts = host.split('.');
  if (parts.length > 4 || !parts.every(part => /^(0|[1-9]\d{0,9})$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  const last = numbers[numbers.length - 1];
  const head = numbers.slice(0, -1);
  const rest = 4 - head.length;
  if (head.some(number => number > 255) || last >= 256 ** rest) return undefined;
  const tail = Array.from({ length: rest }, (_, i) => Math.floor(last / 256 ** (rest - 1 - i)) % 256);
  return [...head, ...tail].join('.');
}
