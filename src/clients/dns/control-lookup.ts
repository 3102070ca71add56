/**
 * `lookup` for the connections of the control plane, in place of node's own: `net.connect({ lookup: controlLookup() })`.
 *
 * It never waits behind names of the data plane, and falls back to the last known addresses while DNS fails.
 */
import type { LookupFunction } from 'node:net';
import { isIPv6 } from 'node:net';
import type { Resolver } from './resolver.ts';

/** Loaded by the first host name: most servers are known by their address. */
const systemResolver = async (): Promise<Resolver> => (await import('./resolver.ts')).systemResolver();

export function controlLookup(resolverOf: () => Resolver | Promise<Resolver> = systemResolver): LookupFunction {
  return (host, options, done) => {
    addressesOf(resolverOf, host).then(
      ips => {
        const family = Number(options.family ?? 0);
        const usable = ips
          .map(address => ({ address, family: isIPv6(address) ? 6 : 4 }))
          .filter(one => (family !== 4 && family !== 6 ? true : one.family === family));
        if (usable.length === 0) return done(notFound(host), '', 4);
        if (options.all) return done(null, usable);
        done(null, usable[0].address, usable[0].family);
      },
      error => done(error, '', 4),
    );
  };
}

async function addressesOf(resolverOf: () => Resolver | Promise<Resolver>, host: string): Promise<readonly string[]> {
  const resolver = await resolverOf();
  try {
    const lookup = await resolver.lookup(host, { isUrgent: true });
    return lookup.type === 'found' ? lookup.ips : [];
  } catch (error) {
    const last = resolver.lastKnown(host);
    if (last?.type === 'found') return last.ips;
    throw error;
  }
}

const notFound = (host: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND', hostname: host });
