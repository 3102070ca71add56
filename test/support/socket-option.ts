/** Reads an option of any socket of this process from the kernel; the socket is found by its addresses. Linux, with node:ffi. */
import * as ffi from 'node:ffi';
import { readdirSync } from 'node:fs';
import type net from 'node:net';
import * as c from '../../src/io/native/kernel/constants.ts';
import { libc } from '../../src/io/native/kernel/libc.ts';
import { mapMemory } from '../../src/io/native/kernel/memory.ts';
import { localAddress, peerAddress } from '../../src/io/native/kernel/socket-state.ts';

const options = {
  keepAlive: [c.SOL_SOCKET, c.SO_KEEPALIVE],
  keepIdle: [c.IPPROTO_TCP, c.TCP_KEEPIDLE],
  keepInterval: [c.IPPROTO_TCP, c.TCP_KEEPINTVL],
  keepCount: [c.IPPROTO_TCP, c.TCP_KEEPCNT],
} as const;
export type SocketOption = keyof typeof options;

const memory = mapMemory(16);
const ints = new Int32Array(memory.buffer);

export function socketOption(localPort: number, peerPort: number, option: SocketOption): number {
  const fd = readdirSync('/proc/self/fd')
    .map(Number)
    .find(one => peerAddress(one).endsWith(`:${peerPort}`) && localAddress(one).port === localPort);
  if (fd === undefined) throw new Error(`no socket from port ${localPort} to port ${peerPort}`);
  const [level, name] = options[option];
  ints[0] = 0;
  ints[1] = 4;
  libc.getsockopt(fd, level, name, memory.pointer, memory.pointer + 4n);
  return ints[0];
}

const { functions } = ffi.dlopen(null as unknown as string, {
  send: { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' },
});
const MSG_OOB = 1;

/** Sends past node, which knows no urgent bytes. */
export function sendBytes(socket: net.Socket, text: string, isUrgent: boolean): void {
  const { fd } = (socket as net.Socket & { readonly _handle: { readonly fd: number } })._handle;
  functions.send(fd, Buffer.from(text), text.length, isUrgent ? MSG_OOB : 0);
}
