/** Whether two addresses to listen on exclude each other, their ports being the same. */
import { BlockList, isIP } from 'node:net';

/** `::` also takes every IPv4 address. */
export function overlap(a: string, b: string): boolean {
  if (same(a, b) || same(a, '::') || same(b, '::')) return true;
  return isIP(a) === 4 && isIP(b) === 4 && (same(a, '0.0.0.0') || same(b, '0.0.0.0'));
}

/** Whatever way an IPv6 address is written. */
function same(a: string, b: string): boolean {
  if (isIP(a) !== isIP(b)) return false;
  const list = new BlockList();
  list.addAddress(a, isIP(a) === 6 ? 'ipv6' : 'ipv4');
  return list.check(b, isIP(b) === 6 ? 'ipv6' : 'ipv4');
}
