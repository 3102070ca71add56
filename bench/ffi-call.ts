/**
 * The cost of a call through node:ffi by its number of arguments. It is the reason that the epoll driver uses read() and write().
 *
 *   node bench/ffi-call.ts
 *
 * Both calls fail at once on a descriptor that does not exist, so that hardly more than the way there is measured.
 */
import * as ffi from 'node:ffi';

const { functions } = ffi.dlopen(null as unknown as string, {
  read: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  recv: { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' },
});
const bytes = new Uint8Array(64);
const pointer = ffi.getRawPointer(bytes);
const calls = 1_000_000;

const nanoseconds = (call: () => unknown): number => {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) call();
  return Number(process.hrtime.bigint() - start) / calls;
};

for (let round = 0; round < 5; round++) {
  const three = nanoseconds(() => functions.read(-1, pointer, 1));
  const four = nanoseconds(() => functions.recv(-1, pointer, 1, 0));
  console.log(`3 arguments ${three.toFixed(0)} ns, 4 arguments ${four.toFixed(0)} ns: ${(four / three).toFixed(2)}x`);
}
