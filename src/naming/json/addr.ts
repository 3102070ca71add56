/** The JSON of a set of addresses. */
import { isIP } from 'node:net';
import { type Addr, type Address, filteredAddr, type Meta, negAddr, pendingAddr } from '../addr.ts';
import { arrayAt, objectAt, stringAt, unexpected } from './checks.ts';
import type { Json } from './json.ts';

export function encodeAddr(addr: Addr): Json {
  switch (addr.state) {
    case 'bound':
      return {
        type: 'bound',
        addrs: addr.addresses.map(({ ip, port, meta }) => ({ ip, port, meta })),
        meta: addr.meta,
      };
    case 'failed':
      return { type: 'failed', cause: addr.error.message };
    case 'neg':
      return { type: 'neg', ...(addr.isFiltered && { filtered: true }) };
    default:
      return { type: addr.state };
  }
}

/** Omits addresses whose `ip` is not numeric: a host name that the sender did not resolve. */
export function decodeAddr(json: unknown): Addr {
  return addrAt(json, '$');
}

export function addrAt(json: unknown, at: string): Addr {
  const { type, addrs, meta, cause, filtered } = objectAt(json, at);
  switch (type) {
    case 'bound':
      return {
        state: 'bound',
        addresses: arrayAt(addrs, `${at}.addrs`).flatMap((address, i) => addressAt(address, `${at}.addrs[${i}]`)),
        meta: metaAt(meta, `${at}.meta`),
      };
    case 'neg':
      return filtered === true ? filteredAddr : negAddr;
    case 'pending':
      return pendingAddr;
    case 'failed':
      return { state: 'failed', error: new Error(typeof cause === 'string' ? cause : 'failed without a cause') };
    default:
      return unexpected(`${at}.type`, 'bound, neg, failed or pending', type);
  }
}

function addressAt(json: unknown, at: string): Address[] {
  const { ip, port, meta } = objectAt(json, at);
  const host = stringAt(ip, `${at}.ip`);
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65535)
    unexpected(`${at}.port`, 'a port', port);
  const address = { ip: host, port: port as number, meta: metaAt(meta, `${at}.meta`) };
  return isIP(host) === 0 ? [] : [address];
}

function metaAt(json: unknown, at: string): Meta {
  return json === undefined || json === null ? {} : objectAt(json, at);
}
