/**
 * The history of a namespace as namerd's JSON has it. Two forms are understood: `{versions, next}` with numbers and authors, and the
 * bare list of versions with their dtabs that namerd 0.2.0 had before.
 */
import { brief, decodeDtab, type ShownDtab, shownDtab } from './stored-dtab.ts';

export interface PastVersion {
  /** Short and per namespace; absent in the older form. */
  readonly number?: number;
  /** The entity tag. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Name of the token or certificate that wrote it. */
  readonly by?: string;
  readonly restoredFrom?: number;
  readonly isCurrent: boolean;
  readonly isDeletion: boolean;
  /** Absent if not requested, and for a deletion. */
  readonly dtab?: ShownDtab;
}

export interface HistoryPage {
  /** Newest first. */
  readonly versions: readonly PastVersion[];
  /** The next page has versions before this number. */
  readonly next?: number;
}

/** @throws Error where `json` is neither form */
export function decodeHistory(json: unknown): HistoryPage {
  const { versions = json, next } = Object(json);
  if (!Array.isArray(versions)) throw new Error(`expected a list of versions, found ${brief(json)}`);
  return { versions: versions.map(decodeVersion), ...(typeof next === 'number' && { next }) };
}

function decodeVersion(entry: unknown, i: number): PastVersion {
  const { number, version, at, by, restoredFrom, current, deleted, dtab } = Object(entry);
  const time = typeof at === 'string' ? Date.parse(at) : at;
  if (typeof version !== 'string' || !Number.isFinite(time))
    throw new Error(`version ${i}: expected {"version": …, "at": …, "dtab": …}, found ${brief(entry)}`);
  return {
    version,
    at: time,
    isCurrent: current === true,
    isDeletion: deleted === true,
    ...(typeof number === 'number' && { number }),
    ...(typeof by === 'string' && { by }),
    ...(typeof restoredFrom === 'number' && { restoredFrom }),
    ...(dtab !== undefined && { dtab: typeof dtab === 'string' ? shownDtab(dtab) : decodeDtab(dtab) }),
  };
}

/** As an operator names it. */
export const nameOf = ({ number, version }: Pick<PastVersion, 'number' | 'version'>): string =>
  number === undefined ? version : String(number);
