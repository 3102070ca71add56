/** A `lookup` for the connections of one client, which can be told to begin with another address of the same name. */
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { controlLookup } from './control-lookup.ts';

export class RotatingLookup {
  readonly #lookup: LookupFunction;
  #first = 0;
  /** How many addresses the name had last. */
  addresses = 1;

  constructor(lookup: LookupFunction = controlLookup()) {
    this.#lookup = lookup;
  }

  /** The address that came first did not do: the next connections begin with the one after it. */
  rotate(): void {
    this.#first++;
  }

  readonly lookup: LookupFunction = (host, options, done) =>
    this.#lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 4);
      const all = found as unknown as readonly LookupAddress[];
      this.addresses = all.length;
      const start = this.#first % all.length;
      const turned = [...all.slice(start), ...all.slice(0, start)];
      if (options.all) done(null, turned);
      else done(null, turned[0].address, turned[0].family);
    });
}
