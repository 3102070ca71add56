/**
 * The plan of a storm, drawn from its seed: the number of concurrent connections, which peers are killed when, which listeners close, and
 * the script of each side of each connection. Pure.
 *
 * The two sides of a connection are drawn independently, so they meet in every combination. They cannot wait for each other in
 * a circle: an upstream always speaks at once, every wait for the other side's end has a bound, and every script lets go.
 */
import { seededRandom } from '../balancer/seeded.ts';

export const connectionsPerStorm = 5_000;
export const upstreamListeners = 4;
/** A side names itself in the first bytes it sends. */
export const headerBytes = 4;

export type SideName = 'client' | 'upstream';

/**
 * `finish`: sends everything, then its FIN, and reads on to the other's. `answer`: the other's FIN comes first, if it comes soon.
 * `close`: lets go of both directions when everything is sent. The others reset: before or when the connection is there, between
 * the bytes sent or received, after the own FIN, after the other's.
 */
export type Ending =
  | 'finish'
  | 'answer'
  | 'close'
  | 'reset-connecting'
  | 'reset-connected'
  | 'reset-sending'
  | 'reset-hearing'
  | 'reset-finished'
  | 'reset-ended';

export interface Script {
  /** Everything it sends, the header included. */
  readonly bytes: number;
  /** Bytes of one write. */
  readonly piece: number;
  /** Says nothing before it has heard something. */
  readonly isShy: boolean;
  readonly ending: Ending;
  /** After how many bytes sent or received it resets, where the ending is one of these. */
  readonly resetAfter: number;
  /** How long it waits for the other side's FIN before it continues without it. */
  readonly patienceMs: number;
  /** Stops reading after so many bytes, for a while; then reads on, or resets. */
  readonly stall: { readonly after: number; readonly ms: number; readonly isFatal: boolean } | undefined;
}

export interface Kill {
  /** Happens when so many connections have ended. */
  readonly after: number;
  readonly sides: 'clients' | 'upstreams' | 'both';
  /** Share of the open ones, 0 to 1. */
  readonly share: number;
}

export interface Outage {
  /** Begins when so many connections have ended. */
  readonly after: number;
  readonly listeners: readonly number[];
  readonly ms: number;
}

export interface StormPlan {
  /** Open at the same time, at most. */
  readonly atOnce: number;
  readonly kills: readonly Kill[];
  readonly outages: readonly Outage[];
  readonly maxConcurrency: number;
  readonly bufferSizeBytes: number;
  readonly maxRetries: number;
  readonly minConnections: number;
  /** Failures in a row that put an endpoint aside. */
  readonly maxConsecutiveFailures: number;
}

/** Drawn values; every draw takes one step of the generator. */
class Draw {
  readonly random: () => number;

  constructor(...seed: readonly number[]) {
    this.random = seededRandom(seed.reduce((mixed, part) => Math.imul(mixed ^ part, 0x9e37_79b1) + 0x7f4a_7c15, 1));
  }

  int(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  /** Evenly over the orders of magnitude. */
  size(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.random());
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  weighted<T>(choices: readonly (readonly [T, number])[]): T {
    let left = this.random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [choice, weight] of choices) {
      left -= weight;
      if (left < 0) return choice;
    }
    return choices[0][0];
  }

  list<T>(count: number, one: () => T): readonly T[] {
    return Array.from({ length: count }, one);
  }
}

const noEjection = 1_000_000_000;

export function planStorm(seed: number): StormPlan {
  const draw = new Draw(seed);
  const atOnce = draw.size(1_000, connectionsPerStorm);
  const moment = (): number => draw.int(1, connectionsPerStorm - 100);
  return {
    atOnce,
    kills: draw.list(draw.int(1, 4), () => ({
      after: moment(),
      sides: draw.weighted<Kill['sides']>([
        ['clients', 1],
        ['upstreams', 1],
        ['both', 1],
      ]),
      share: 0.2 + 0.8 * draw.random(),
    })),
    outages: draw.list(draw.int(1, 2), () => {
      const first = draw.int(0, upstreamListeners - 1);
      const count = draw.weighted<number>([
        [1, 4],
        [2, 1],
        [upstreamListeners, 1],
      ]);
      const listeners = Array.from({ length: count }, (_, i) => (first + i) % upstreamListeners);
      return { after: moment(), listeners, ms: draw.int(10, 120) };
    }),
    // Every third storm meets a shut gate.
    maxConcurrency: draw.chance(1 / 3) ? Math.ceil(atOnce * (0.3 + 0.5 * draw.random())) : 10_000,
    bufferSizeBytes: draw.size(1_024, 65_536),
    maxRetries: draw.int(0, 3),
    minConnections: draw.chance(1 / 3) ? draw.int(4, 32) : 0,
    maxConsecutiveFailures: draw.chance(1 / 4) ? noEjection : draw.int(1, 10),
  };
}

const endings: Readonly<Record<SideName, readonly (readonly [Ending, number])[]>> = {
  client: [
    ['finish', 36],
    ['answer', 18],
    ['close', 8],
    ['reset-connecting', 4],
    ['reset-connected', 5],
    ['reset-sending', 8],
    ['reset-hearing', 8],
    ['reset-finished', 7],
    ['reset-ended', 6],
  ],
  upstream: [
    ['finish', 30],
    ['answer', 34],
    ['close', 8],
    ['reset-connected', 3],
    ['reset-sending', 8],
    ['reset-hearing', 7],
    ['reset-finished', 5],
    ['reset-ended', 5],
  ],
};

/** The script of the side that is number `index` in its storm. */
export function scriptOf(seed: number, side: SideName, index: number): Script {
  const draw = new Draw(seed, side === 'client' ? 1 : 2, index);
  const size = draw.weighted<readonly [number, number]>([
    [[1, 8], 15],
    [[8, 4_096], 60],
    [[4_096, 131_072], 24],
    [[1 << 20, 6 << 20], 0.5],
  ]);
  const bytes = headerBytes + draw.size(...size);
  return {
    bytes,
    piece: draw.weighted([
      [65_536, 3],
      [Math.max(headerBytes, draw.size(bytes / 32, bytes)), 1],
    ]),
    isShy: side === 'client' && draw.chance(0.08),
    ending: draw.weighted(endings[side]),
    resetAfter: draw.int(0, bytes),
    patienceMs: draw.int(10, 150),
    stall: draw.chance(0.15)
      ? { after: draw.chance(0.3) ? 0 : draw.size(1, 65_536), ms: draw.int(5, 200), isFatal: draw.chance(0.2) }
      : undefined,
  };
}

/** Whether it sends everything, says so with a FIN, and reads to the other side's end. */
export function isOrderly({ ending, stall }: Script): boolean {
  return (ending === 'finish' || ending === 'answer') && !stall?.isFatal;
}
