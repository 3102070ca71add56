/** Asks the kernel about a socket: its addresses, its error, what it has not delivered. */
import { readFileSync } from 'node:fs';
import type { SocketAddress } from '../../driver.ts';
import { showAddress } from '../../driver.ts';
import * as c from './constants.ts';
import { errno, libc } from './libc.ts';
import { maxSockaddrBytes, readSockaddr, sockaddrInBytes } from './sockaddr.ts';
import { intPointer, ints, lengthPointer, scratch } from './socket-scratch.ts';

/** The pending error of a socket, 0 for none. */
export function socketError(fd: number): number {
  ints[8] = 4;
  ints[10] = 0;
  return libc.getsockopt(fd, c.SOL_SOCKET, c.SO_ERROR, intPointer, lengthPointer) < 0 ? errno() : ints[10];
}

/** Bytes in the send queue: not sent, or not acknowledged yet. */
export function unacknowledged(fd: number): number {
  // After a reset the kernel still counts the bytes that it has dropped.
  if (isGone(fd)) return 0;
  ints[10] = 0;
  return libc.ioctl(fd, c.SIOCOUTQ, intPointer) < 0 ? 0 : ints[10];
}

/**
 * Whether the connection is no more. A send or splice that was cut short by a reset tells how much it moved, not the reset, and
 * takes the error away: the receive after it returns 0, as if the peer had finished.
 */
export function isGone(fd: number): boolean {
  ints[8] = 4;
  ints[10] = 0;
  // The state is the first byte of struct tcp_info.
  const asked = libc.getsockopt(fd, c.IPPROTO_TCP, c.TCP_INFO, intPointer, lengthPointer);
  return asked === 0 && (ints[10] & 0xff) === c.TCP_CLOSE;
}

/** The ports that the kernel chooses from for connecting sockets. All of them if it does not tell. */
const localPorts = readLocalPorts();

function readLocalPorts(): { readonly first: number; readonly last: number } {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').trim().split(/\s+/);
    return { first: Number(first), last: Number(last) };
  } catch {
    return { first: 1, last: 65_535 };
  }
}

/**
 * Whether a connected socket is connected to itself. TCP allows that: where nothing listens on a port of the ephemeral range, the kernel
 * may choose that very port for the connecting socket, and the handshake with itself succeeds (simultaneous open).
 * @param port that it was to connect to
 */
export function isSelfConnected(fd: number, port: number): boolean {
  if (port < localPorts.first || port > localPorts.last) return false;
  const local = localAddress(fd);
  return local.port === port && showAddress(local) === peerAddress(fd);
}

export function localAddress(fd: number): SocketAddress {
  ints[8] = maxSockaddrBytes;
  libc.getsockname(fd, scratch.pointer, lengthPointer);
  return readSockaddr(scratch);
}

/** `ip:port`; '' for a socket that never was connected. Unlike getpeername(2), SO_PEERNAME also answers after a reset. */
export function peerAddress(fd: number): string {
  // It fails when asked for more bytes than the address has.
  if (!askPeerName(fd, sockaddrInBytes)) return '';
  const isLong = (ints[0] & 0xffff) === c.AF_INET6;
  return isLong && !askPeerName(fd, maxSockaddrBytes) ? '' : showAddress(readSockaddr(scratch));
}

function askPeerName(fd: number, bytes: number): boolean {
  ints[8] = bytes;
  return libc.getsockopt(fd, c.SOL_SOCKET, c.SO_PEERNAME, scratch.pointer, lengthPointer) === 0;
}
