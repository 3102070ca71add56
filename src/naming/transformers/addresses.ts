/** Transformers that change or filter the addresses of what is bound: `io.l5d.port`, `io.l5d.localhost`, `io.l5d.specificHost`. */
import { isIP, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { distinctUntilChanged, map, of } from 'rxjs';
import { z } from 'zod';
import { mapTree } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { ok } from '../../live/activity.ts';
import { type Addr, type Address, filteredAddr, negAddr, sameAddr } from '../addr.ts';
import { defineTransformer, type Transformer } from '../kinds.ts';
import type { Bound } from '../name.ts';
import { replaceLeaves } from './delegation.ts';

export const portTransformer = defineTransformer({
  kind: 'io.l5d.port',
  config: z.strictObject({
    port: z.int().min(1).max(65_535).meta({ description: 'the port that every address gets' }),
  }),
  create: ({ port }, { prefix }) =>
    eachAddr([...prefix, String(port)], addr => {
      if (addr.state !== 'bound') return addr;
      const byIp = new Map(addr.addresses.map(address => [address.ip, { ...address, port }]));
      return { ...addr, addresses: [...byIp.values()] };
    }),
});

export const localhostTransformer = defineTransformer({
  kind: 'io.l5d.localhost',
  config: z.strictObject({}),
  create: (_config, { prefix }) =>
    keepAddresses(prefix, () => {
      const local = new Set(
        Object.values(networkInterfaces()).flatMap(all => all?.map(one => canonicalIp(one.address))),
      );
      return ({ ip }) => local.has(canonicalIp(ip));
    }),
});

export const specificHostTransformer = defineTransformer({
  kind: 'io.l5d.specificHost',
  config: z.strictObject({
    host: z
      .string()
      .refine(host => isIP(host) !== 0, { message: 'must be an IPv4 or IPv6 address' })
      .meta({ description: 'the only IP address that is kept' }),
  }),
  create: ({ host }, { prefix }) => {
    const kept = canonicalIp(host);
    return keepAddresses(prefix, () => address => canonicalIp(address.ip) === kept);
  },
});

/** If nothing is left the addresses are Neg, and marked so that the other branches of a union take the share; the tree keeps its leaf. @param begin called for each set of addresses */
function keepAddresses(prefix: Path, begin: () => (address: Address) => boolean): Transformer {
  return eachAddr(prefix, addr => {
    if (addr.state !== 'bound') return addr;
    const left = addr.addresses.filter(begin());
    if (left.length > 0) return { ...addr, addresses: left };
    return addr.addresses.length > 0 ? filteredAddr : negAddr;
  });
}

function eachAddr(prefix: Path, change: (addr: Addr) => Addr): Transformer {
  const touch = ({ id, residual, addr }: Bound): Bound => ({
    id: [...prefix, ...id],
    residual,
    addr: addr.pipe(map(change), distinctUntilChanged(sameAddr)),
  });
  return {
    prefix,
    transform: tree => of(ok(mapTree(tree, touch))),
    delegate: async tree =>
      replaceLeaves(tree, leaf => ({
        type: 'transformation',
        path: leaf.path,
        dentry: leaf.dentry,
        name: showPath(prefix),
        bound: leaf.bound,
        tree: { ...leaf, bound: touch(leaf.bound) },
      })),
  };
}

/** One spelling for each address; a zone is left out, IPv4 in IPv6 is IPv4. */
function canonicalIp(ip: string): string {
  const bare = ip.replace(/%.*$/, '');
  if (isIP(bare) !== 6) return bare;
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address;
}
