/** Making and asking sockets: what both native drivers do the same way. */
import type { ListenOptions, SocketAddress, SocketOptions } from '../../driver.ts';
import { keepAliveIntervalSecs, keepAliveProbes, showAddress } from '../../driver.ts';
import * as c from './constants.ts';
import { errno, libc } from './libc.ts';
import { mapMemory } from './memory.ts';
import { maxSockaddrBytes, readSockaddr, sockaddrInBytes, writeSockaddr } from './sockaddr.ts';

/** Scratch memory of this thread: an address at 0, its length at 32, an int at 40, a linger at 48. */
const scratch = mapMemory(64);
const ints = new Int32Array(scratch.buffer);
const lengthPointer = scratch.pointer + 32n;
const intPointer = scratch.pointer + 40n;
const lingerPointer = scratch.pointer + 48n;

/** Sockets are made non-blocking. @returns the descriptor, or -errno */
function open(address: SocketAddress): number {
  const family = address.ip.includes(':') ? c.AF_INET6 : c.AF_INET;
  const fd = libc.socket(family, c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno() : fd;
}

function set(fd: number, level: number, option: number, value: number): void {
  ints[10] = value;
  libc.setsockopt(fd, level, option, intPointer, 4);
}

/** Set on a listener these hold for the sockets it accepts. */
function tune(fd: number, { keepAliveSecs }: SocketOptions): void {
  set(fd, c.IPPROTO_TCP, c.TCP_NODELAY, 1);
  set(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, keepAliveSecs === 0 ? 0 : 1);
  if (keepAliveSecs === 0) return;
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE, keepAliveSecs);
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL, keepAliveIntervalSecs);
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT, keepAliveProbes);
}

/** Of a listener that listens: a second listen(2) changes the length of its queue, and nothing else. */
export function adjustListener(fd: number, { backlog, socket }: Pick<ListenOptions, 'backlog' | 'socket'>): void {
  libc.listen(fd, backlog);
  tune(fd, socket);
}

/** @returns the listening descriptor, or -errno */
export function openListener(options: ListenOptions): number {
  const fd = open(options);
  if (fd < 0) return fd;
  set(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  if (options.reusePort) set(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  tune(fd, options.socket);
  const length = writeSockaddr(scratch, options);
  if (libc.bind(fd, scratch.pointer, length) === 0 && libc.listen(fd, options.backlog) === 0) return fd;
  const failure = errno();
  libc.close(fd);
  return -failure;
}

/** @returns a descriptor to connect, or -errno */
export function openConnector(address: SocketAddress, options: SocketOptions): number {
  const fd = open(address);
  if (fd >= 0) tune(fd, options);
  return fd;
}

/** Starts a connect. @returns 0 when it is done, else errno: EINPROGRESS when it goes on. */
export function startConnect(fd: number, address: SocketAddress): number {
  const length = writeSockaddr(scratch, address);
  return libc.connect(fd, scratch.pointer, length) === 0 ? 0 : errno();
}

/** The pending error of a socket, 0 for none. */
export function socketError(fd: number): number {
  ints[8] = 4;
  ints[10] = 0;
  return libc.getsockopt(fd, c.SOL_SOCKET, c.SO_ERROR, intPointer, lengthPointer) < 0 ? errno() : ints[10];
}

/** Bytes in the send queue: not sent, or not acknowledged yet. */
export function unacknowledged(fd: number): number {
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

/** The next close sends RST and drops what is queued. */
export function resetOnClose(fd: number): void {
  ints[12] = 1;
  ints[13] = 0;
  libc.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, lingerPointer, 8);
}
