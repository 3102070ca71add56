/** Opens sockets and sets their options: the same for both native drivers. */
import { constants } from 'node:os';
import type { ListenerSettings, ListenOptions, SocketAddress } from '../../driver.ts';
import { keepAliveIntervalSecs, keepAliveProbes } from '../../driver.ts';
import * as c from './constants.ts';
import { reserve } from './descriptor-reserve.ts';
import { errno, libc } from './libc.ts';
import { writeSockaddr } from './sockaddr.ts';
import { intPointer, ints, lingerPointer, scratch } from './socket-scratch.ts';

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

function tune(fd: number): void {
  set(fd, c.IPPROTO_TCP, c.TCP_NODELAY, 1);
  // Urgent bytes stay in the stream: RFC 6093. Without it the kernel takes them out, and they are lost.
  set(fd, c.SOL_SOCKET, c.SO_OOBINLINE, 1);
}

export function setKeepAlive(fd: number, keepAliveSecs: number): void {
  set(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, keepAliveSecs > 0 ? 1 : 0);
  if (keepAliveSecs === 0) return;
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE, keepAliveSecs);
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL, keepAliveIntervalSecs);
  set(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT, keepAliveProbes);
}

/** A second listen(2) changes the length of the queue, and nothing else. */
export function adjustListener(fd: number, { backlog, socket }: ListenerSettings): void {
  libc.listen(fd, backlog);
  setKeepAlive(fd, socket.keepAliveSecs);
}

/** Accepted sockets inherit the options of their listener. @returns the listening descriptor, or -errno */
export function openListener(options: ListenOptions): number {
  const fd = open(options);
  if (fd < 0) return fd;
  set(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  if (options.reusePort) set(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  tune(fd);
  setKeepAlive(fd, options.socket.keepAliveSecs);
  const length = writeSockaddr(scratch, options);
  if (libc.bind(fd, scratch.pointer, length) === 0 && libc.listen(fd, options.backlog) === 0) return fd;
  const failure = errno();
  libc.close(fd);
  return -failure;
}

/** Without keep-alive, which {@link setKeepAlive} sets later. @returns a descriptor to connect, or -errno */
export function openConnector(address: SocketAddress): number {
  const fd = open(address);
  if (fd < 0) return fd;
  if (reserve.isReserved(fd)) {
    libc.close(fd);
    return -constants.errno.EMFILE;
  }
  tune(fd);
  return fd;
}

/** Starts a connect. @returns 0 when it is done, else errno: EINPROGRESS while it is in progress. */
export function startConnect(fd: number, address: SocketAddress): number {
  const length = writeSockaddr(scratch, address);
  return libc.connect(fd, scratch.pointer, length) === 0 ? 0 : errno();
}

/** The next close sends RST and drops what is queued. */
export function resetOnClose(fd: number): void {
  ints[12] = 1;
  ints[13] = 0;
  libc.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, lingerPointer, 8);
}
