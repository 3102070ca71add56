/** Memory of this thread for what socket calls read and write: an address at 0, its length at 32, an int at 40, a linger at 48. */
import { mapMemory } from './memory.ts';

export const scratch = mapMemory(64);
/** By index: 0 the address, 8 the length, 10 the int, 12 and 13 the linger. */
export const ints = new Int32Array(scratch.buffer);
export const lengthPointer = scratch.pointer + 32n;
export const intPointer = scratch.pointer + 40n;
export const lingerPointer = scratch.pointer + 48n;
