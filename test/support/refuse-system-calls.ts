/**
 * Runs a command where the kernel refuses some system calls, as a container's seccomp profile does:
 *
 *   node --disable-warning=ExperimentalWarning refuse-system-calls.ts EPERM 425,426,427 -- command args...
 *
 * The calls, by number, fail with that errno in the command and in all it starts. The filter is the calling thread's: the main
 * thread installs it and then becomes the command. Source: seccomp(2), linux/{seccomp,audit,filter}.h.
 */
import * as ffi from 'node:ffi';
import { constants } from 'node:os';
import { findProgram } from '../../scripts/debian-packages.ts';
import { showErrno } from '../../src/io/errno.ts';
import { errno } from '../../src/io/native/kernel/libc.ts';
import { mapMemory } from '../../src/io/native/kernel/memory.ts';

/** Of io_uring: setup, enter and register; the same on x86-64 and arm64. */
export const uringCalls = [425, 426, 427];

export type Refusal = 'EPERM' | 'ENOSYS';

/** A command prefix that makes these system calls fail. */
export function withoutSystemCalls(refusal: Refusal, calls: readonly number[]): readonly string[] {
  return [process.execPath, '--disable-warning=ExperimentalWarning', import.meta.filename, refusal, calls.join(), '--'];
}

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ERRNO = 0x0005_0000;
const SECCOMP_RET_ALLOW = 0x7fff_0000;

/** `struct seccomp_data` begins with the number and the architecture whose number it is, 32 bits each. */
const numberOffset = 0;
const architectureOffset = 4;
const AUDIT_ARCH: Readonly<Record<string, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
/** In the number of a call of x32, which shares the architecture of x86-64. */
const x32Bit = 0x4000_0000;

const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;

/** Operation, jumps over when true and when false, constant. */
type Instruction = readonly [operation: number, whenTrue: number, whenFalse: number, constant: number];

/** A foreign architecture numbers its calls otherwise: none of them is allowed, or they would be a way around the list. */
function filterOf(refusal: Refusal, calls: readonly number[], architecture: number): readonly Instruction[] {
  const toRefusal = (index: number): number => calls.length - index;
  return [
    [LOAD_WORD, 0, 0, architectureOffset],
    [JUMP_IF_EQUAL, 0, calls.length + 3, architecture],
    [LOAD_WORD, 0, 0, numberOffset],
    [JUMP_IF_GREATER_OR_EQUAL, calls.length + 1, 0, x32Bit],
    ...calls.map((call, index): Instruction => [JUMP_IF_EQUAL, toRefusal(index), 0, call]),
    [RETURN, 0, 0, SECCOMP_RET_ALLOW],
    [RETURN, 0, 0, SECCOMP_RET_ERRNO | constants.errno[refusal]],
  ];
}

function install(filter: readonly Instruction[]): void {
  const { functions } = ffi.dlopen(null as unknown as string, {
    prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  });
  const program = mapMemory(filter.length * 8);
  const code = new DataView(program.buffer);
  for (const [i, [operation, whenTrue, whenFalse, constant]] of filter.entries()) {
    code.setUint16(i * 8, operation, true);
    code.setUint8(i * 8 + 2, whenTrue);
    code.setUint8(i * 8 + 3, whenFalse);
    code.setUint32(i * 8 + 4, constant, true);
  }
  // struct sock_fprog: the number of instructions, and where they are.
  const header = mapMemory(16);
  new DataView(header.buffer).setUint16(0, filter.length, true);
  new DataView(header.buffer).setBigUint64(8, program.pointer, true);
  if (functions.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) !== 0)
    throw new Error(`no_new_privs: ${showErrno(errno())}`);
  if (functions.prctl(PR_SET_SECCOMP, BigInt(SECCOMP_MODE_FILTER), header.pointer, 0n, 0n) !== 0)
    throw new Error(`seccomp: ${showErrno(errno())}`);
}

function main([refusal, numbers = '', dashes, name, ...args]: readonly string[]): never {
  const calls = numbers.split(',').map(Number);
  const areNumbers = calls.every(call => Number.isInteger(call) && call >= 0);
  if ((refusal !== 'EPERM' && refusal !== 'ENOSYS') || !areNumbers || dashes !== '--' || name === undefined)
    throw new Error('usage: refuse-system-calls.ts EPERM|ENOSYS NUMBER,... -- COMMAND [ARGUMENT...]');
  const architecture = AUDIT_ARCH[process.arch];
  if (architecture === undefined) throw new Error(`not made for ${process.arch}`);
  const file = name.includes('/') ? name : findProgram(name);
  if (file === undefined) throw new Error(`${name} is not installed`);
  install(filterOf(refusal, calls, architecture));
  process.execve?.(file, [name, ...args], process.env as Record<string, string>);
  throw new Error('this Node.js has no process.execve');
}

if (import.meta.main) main(process.argv.slice(2));
