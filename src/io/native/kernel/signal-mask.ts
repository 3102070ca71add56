/**
 * Lets this process receive SIGUSR1.
 *
 * Node opens its debugger on SIGUSR1 unless it is started with --disable-sigusr1, and with that flag it blocks the signal, so
 * that no listener would ever be called. This call unblocks it: only once a listener is installed, as the default action of
 * SIGUSR1 ends the process.
 */
import * as ffi from 'node:ffi';

const { functions } = ffi.dlopen(null as unknown as string, {
  pthread_sigmask: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
});

const SIG_UNBLOCK = 1;
const SIGUSR1 = 10;
/** sizeof(sigset_t) of glibc; musl's is no larger. */
const setBytes = 128;

export function unblockSigusr1(): void {
  const set = new Uint8Array(setBytes);
  set[(SIGUSR1 - 1) >> 3] = 1 << ((SIGUSR1 - 1) & 7);
  functions.pthread_sigmask(SIG_UNBLOCK, ffi.getRawPointer(set), 0n);
}
