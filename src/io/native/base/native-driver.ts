/** The native drivers extend the contract by a loop that their thread turns. */
import type { Driver } from '../../driver.ts';
import type { Handle } from '../../handle.ts';
import type { BufferPool } from './buffer-pool.ts';

export interface NativeDriver extends Driver {
  /** Where the chunks lie that it delivers and is given to write. */
  readonly pool: BufferPool;
  /** Waits until something happens, at most `longestMs`, and delivers it. */
  turn(longestMs?: number): void;
  /** Frees the driver's own resources; its sockets are closed before. */
  destroy(): void;
}

export interface NativeDriverOptions {
  /** An eventfd that is written to when `onWake` should be called. */
  readonly wake?: { readonly fd: number; readonly onWake: () => void };
  /** How many buffers there may be; the driver's own choice when not given. */
  readonly buffers?: number;
  /** Poisons released buffers, and checks their ownership. */
  readonly debug?: boolean;
}

/** A thread that is ended from outside is blocked in a call no longer than this. */
export const longestWaitMs = 1_000;

/** Stands for the eventfd where a handle is expected. */
export const wakeHandle = -2 as Handle;
