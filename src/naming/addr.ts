/** Where a bound name can be reached right now. */
import { isDeepStrictEqual } from 'node:util';

/** Metadata keeps JSON types. Keys with meaning: `endpoint_addr_weight` (number), `authority`, `nodeName` (strings). */
export type Meta = Readonly<Record<string, unknown>>;

export interface Address {
  /** A numeric IPv4 or IPv6 address, never a host name. */
  readonly ip: string;
  readonly port: number;
  readonly meta: Meta;
}

export type Addr =
  | { readonly state: 'pending' }
  /** `unconfirmed`: these were good and their source fails; whoever kept them has told the operator. */
  | {
      readonly state: 'bound';
      readonly addresses: readonly Address[];
      readonly meta: Meta;
      readonly unconfirmed?: Error;
    }
  /** `isFiltered`: there are addresses, and a transformer left none of them. */
  | { readonly state: 'neg'; readonly unconfirmed?: Error; readonly isFiltered?: true }
  | { readonly state: 'failed'; readonly error: Error };

export const weightKey = 'endpoint_addr_weight';

export const pendingAddr: Addr = { state: 'pending' };
export const negAddr: Addr = { state: 'neg' };
export const filteredAddr: Addr = { state: 'neg', isFiltered: true };
export const failedAddr = (error: Error): Addr => ({ state: 'failed', error });
export const boundAddr = (addresses: readonly Address[], meta: Meta = {}): Addr => ({
  state: 'bound',
  addresses,
  meta,
});

/** Whether both say the same; the order of addresses says nothing, failures are the same when their messages are. */
export function sameAddr(a: Addr, b: Addr): boolean {
  if (a === b) return true;
  if (a.state === 'bound')
    return (
      b.state === 'bound' &&
      a.unconfirmed?.message === b.unconfirmed?.message &&
      isDeepStrictEqual(a.meta, b.meta) &&
      sameAddresses(a.addresses, b.addresses)
    );
  if (a.state === 'failed') return b.state === 'failed' && a.error.message === b.error.message;
  if (a.state === 'neg')
    return b.state === 'neg' && a.unconfirmed?.message === b.unconfirmed?.message && a.isFiltered === b.isFiltered;
  return b.state === 'pending';
}

function sameAddresses(a: readonly Address[], b: readonly Address[]): boolean {
  if (a.length !== b.length) return false;
  return isDeepStrictEqual(a, b) || isDeepStrictEqual(a.toSorted(byPlace), b.toSorted(byPlace));
}

function byPlace(a: Address, b: Address): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port;
}
