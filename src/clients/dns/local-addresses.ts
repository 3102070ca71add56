/** Which families of addresses this machine can use: others are not asked for, and not handed out. */
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

export interface Families {
  /** Beyond the machine itself. */
  readonly hasIPv6: boolean;
  readonly hasIPv6Loopback: boolean;
}

export function localFamilies(): Families {
  const ipv6 = Object.values(networkInterfaces()).flatMap(all => all?.filter(({ family }) => family === 'IPv6') ?? []);
  return {
    hasIPv6: ipv6.some(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address)),
    hasIPv6Loopback: ipv6.some(({ address }) => address === '::1'),
  };
}

export function isUsable(ip: string, { hasIPv6, hasIPv6Loopback }: Families): boolean {
  if (!isIPv6(ip)) return true;
  return ip === '::1' ? hasIPv6Loopback : hasIPv6;
}
