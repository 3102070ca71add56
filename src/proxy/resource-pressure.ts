/**
 * When the machine has no descriptors, ports or memory left, the worker reports it now and then, and accepts no connection for a
 * moment, so that what sessions release goes to sessions that wait to connect. Otherwise neither these nor new ones could be served.
 */
import { constants } from 'node:os';
import type { Driver } from '../io/driver.ts';
import { showErrno } from '../io/errno.ts';
import { shortageDeadline, type WorkerContext } from './context.ts';
import type { TimerHeap } from './timer-heap.ts';

/** Least time between two notices. */
const noticeEveryMs = 10_000;
/** Counted from the last time that something was lacking. */
const pauseMs = 100;

export class ResourcePressure {
  readonly #driver: Driver;
  readonly #deadlines: TimerHeap;
  readonly #notice: WorkerContext['notice'];
  readonly #pause: (on: boolean) => void;
  #lastNotice = Number.NEGATIVE_INFINITY;
  #isPaused = false;

  /** @param pause stops all listeners from accepting, or lets them again */
  constructor({ driver, deadlines, notice }: Shared, pause: (on: boolean) => void) {
    this.#driver = driver;
    this.#deadlines = deadlines;
    this.#notice = notice;
    this.#pause = pause;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** @param text what cannot be done; @param errno why, for want of something or not */
  met(text: string, errno: number): void {
    const now = this.#driver.now();
    // The portable driver cannot leave clients in the kernel's queue: those it would park keep the descriptors that are lacking.
    if (isShortage(errno) && this.#driver.kind !== 'portable') {
      this.#deadlines.set(shortageDeadline, now + pauseMs);
      if (!this.#isPaused) this.#pause(true);
      this.#isPaused = true;
    }
    if (now - this.#lastNotice < noticeEveryMs) return;
    this.#lastNotice = now;
    const { EMFILE, ENFILE } = constants.errno;
    const advice = errno === EMFILE || errno === ENFILE ? '; raise the limit of open files' : '';
    this.#notice('error', `${text}: ${showErrno(errno)}${advice}`);
  }

  /** Nothing was lacking for a while. */
  over(): void {
    this.#isPaused = false;
    this.#pause(false);
  }
}

/**
 * The process or the machine lacks descriptors or memory: every connection is affected, and no endpoint is to blame. Not EADDRNOTAVAIL:
 * no route, or no source port that is free, concerns one destination, and the others must not wait for it.
 */
export function isShortage(errno: number): boolean {
  const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;
  return [EMFILE, ENFILE, ENOBUFS, ENOMEM].includes(errno);
}

type Shared = Pick<WorkerContext, 'driver' | 'deadlines' | 'notice'>;
