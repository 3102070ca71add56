/** Faults at the line between the native drivers and the system: calls that fail with an errno of the test's choice. */
import * as ffi from 'node:ffi';
import { libc } from '../../src/io/native/kernel/libc.ts';
import type { Scope } from './scope.ts';

const { functions } = ffi.dlopen(null as unknown as string, {
  __errno_location: { arguments: [], return: 'pointer' },
  getrlimit: { arguments: ['i32', 'pointer'], return: 'i32' },
  setrlimit: { arguments: ['i32', 'pointer'], return: 'i32' },
});
const errnoCell = new Int32Array(ffi.toArrayBuffer(functions.__errno_location(), 4, false));
const openFiles = 7;

type Call = keyof typeof libc;

/** What a system call returns that fails with this errno. */
export function fails(errno: number): -1 {
  errnoCell[0] = errno;
  return -1;
}

/** The next `times` calls of this kind fail, where `when` says so; then the system is asked again. */
export function failing(
  t: Scope,
  call: Call,
  errno: number,
  {
    times = Number.POSITIVE_INFINITY,
    when = () => true,
  }: { times?: number; when?: (...args: unknown[]) => boolean } = {},
): { readonly failures: number } {
  const calls = libc as unknown as Record<Call, (...args: unknown[]) => unknown>;
  const real = calls[call];
  const seen = { failures: 0 };
  calls[call] = (...args) => {
    if (seen.failures >= times || !when(...args)) return real(...args);
    seen.failures++;
    fails(errno);
    return call === 'mmap' ? 0xffff_ffff_ffff_ffffn : -1;
  };
  t.after(() => {
    calls[call] = real;
  });
  return seen;
}

/** Runs `body` while the process may open no file: it must not wait. */
export function withoutDescriptors<T>(body: () => T): T {
  const limits = new BigUint64Array(2);
  const pointer = ffi.getRawPointer(limits);
  functions.getrlimit(openFiles, pointer);
  const [soft] = limits;
  limits[0] = 3n;
  functions.setrlimit(openFiles, pointer);
  try {
    return body();
  } finally {
    limits[0] = soft;
    functions.setrlimit(openFiles, pointer);
  }
}
