/**
 * What names were last known to mean, as a file: read at a start, in case naming cannot be reached then.
 *
 * Entries are keyed by all that a name depends on in the configuration except where naming is found. Bounded in entries, bytes and
 * age. The file decides where traffic goes, so it is read only where nobody else may write it.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Branch } from '../naming/destination.ts';

export interface SavedName {
  readonly branches: readonly Branch[];
  /** Milliseconds since the epoch. */
  readonly confirmedAt: number;
}

/** The oldest go first. */
export const maxNames = 5000;
export const maxBytes = 32_000_000;
export const maxAgeMs = 7 * 24 * 3_600_000;

const share = z.number().min(0);
const label = z.array(z.string());
const file = z.object({
  version: z.literal(1),
  names: z
    .array(
      z.object({
        key: z.string(),
        confirmedAt: z.number(),
        branches: z
          .array(
            z.object({
              weight: share,
              id: label,
              residual: label,
              addresses: z.array(
                z.object({
                  ip: z.string().refine(ip => isIP(ip) !== 0),
                  port: z.int().min(0).max(65_535),
                  weight: share,
                  meta: z.record(z.string(), z.unknown()),
                }),
              ),
            }),
          )
          .min(1),
      }),
    )
    .max(maxNames),
});

/** What a name depends on; a hash, as rules may be long. */
export function savedKey(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

/** @throws Error that says what is wrong */
export function decodeNames(text: string, now: number): Map<string, SavedName> {
  const parsed = file.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`not a state file of this version: ${parsed.error.issues[0].path.join('.')}`);
  return new Map(
    parsed.data.names.filter(({ confirmedAt }) => now - confirmedAt <= maxAgeMs).map(({ key, ...name }) => [key, name]),
  );
}

/** The newest names that fit. */
export function encodeNames(names: ReadonlyMap<string, SavedName>): string {
  const shown: string[] = [];
  let bytes = 0;
  for (const [key, { confirmedAt, branches }] of [...names].reverse()) {
    const text = JSON.stringify({ key, confirmedAt, branches });
    bytes += text.length;
    if (bytes > maxBytes || shown.length === maxNames) break;
    shown.push(text);
  }
  return `{"version":1,"names":[\n${shown.reverse().join(',\n')}\n]}\n`;
}
