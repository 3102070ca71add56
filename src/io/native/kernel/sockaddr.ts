/** Socket addresses as the kernel wants them: `struct sockaddr_in` and `sockaddr_in6`. */
import { isIPv6 } from 'node:net';
import type { SocketAddress } from '../../driver.ts';
import { AF_INET, AF_INET6 } from './constants.ts';
import { libc, nullPointer } from './libc.ts';
import { mapMemory, type NativeMemory } from './memory.ts';

export const sockaddrInBytes = 16;
export const maxSockaddrBytes = 28;
const scopeOffset = 24;

/** Endpoints are connected to again and again, and addresses take long to parse. */
const encoded = new WeakMap<SocketAddress, Uint8Array>();

/** Writes the address at `offset`. @returns its length in bytes */
export function writeSockaddr(memory: NativeMemory, address: SocketAddress, offset = 0): number {
  let bytes = encoded.get(address);
  if (!bytes) {
    bytes = encode(address);
    // The number of an interface changes when it is made anew.
    if (!address.ip.includes('%')) encoded.set(address, bytes);
  }
  memory.bytes.set(bytes, offset);
  return bytes.length;
}

function encode({ ip, port }: SocketAddress): Uint8Array {
  const isLong = isIPv6(ip);
  const bytes = new Uint8Array(isLong ? maxSockaddrBytes : sockaddrInBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isLong ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  if (!isLong) bytes.set(ip.split('.').map(Number), 4);
  else {
    const [address, scope] = ip.split('%');
    bytes.set(ipv6Bytes(address), 8);
    if (scope) view.setUint32(scopeOffset, interfaceIndex(scope), true);
  }
  return bytes;
}

export function readSockaddr(memory: NativeMemory, offset = 0): SocketAddress {
  const view = new DataView(memory.buffer, offset, maxSockaddrBytes);
  const port = view.getUint16(2, false);
  if (view.getUint16(0, true) !== AF_INET6)
    return { ip: memory.bytes.subarray(offset + 4, offset + 8).join('.'), port };
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i, false));
  const isLinkLocal = (groups[0] & 0xffc0) === 0xfe80;
  const scope = isLinkLocal ? view.getUint32(scopeOffset, true) : 0;
  return { ip: showIPv6(groups) + (scope === 0 ? '' : `%${interfaceName(scope)}`), port };
}

/** @param scope name or number of an interface @returns 0 for an unknown one: connecting to it fails with EINVAL */
function interfaceIndex(scope: string): number {
  return /^\d+$/.test(scope) ? Number(scope) : libc.if_nametoindex(scope);
}

const nameMemory = mapMemory(16);

function interfaceName(index: number): string {
  if (libc.if_indextoname(index, nameMemory.pointer) === nullPointer) return String(index);
  return Buffer.from(nameMemory.bytes.subarray(0, nameMemory.bytes.indexOf(0))).toString('latin1');
}

function ipv6Bytes(ip: string): number[] {
  // A dotted quad at the end stands for the last two groups.
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const text = dotted
    ? `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
    : ip;
  const [head, tail] = text.split('::').map(part => (part === '' ? [] : part.split(':')));
  const groups = tail === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return groups.flatMap(group => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/**
 * RFC 5952: lower case, the longest run of zero groups (two at least, the first of equals) becomes `::`; an IPv4 address mapped into IPv6
 * ends as it is written: `::ffff:127.0.0.1`.
 */
function showIPv6(groups: readonly number[]): string {
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0);
  if (isMapped) return `::ffff:${[groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255].join('.')}`;
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = groups.map(group => group.toString(16));
  if (best.at < 0) return hex.join(':');
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`;
}
