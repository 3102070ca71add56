/** The `client` of a router: how connections to backends are made, for all destinations or by prefix of their name. */
import { z } from 'zod';
import { count, millis, parsedText, seconds, wholeNumber } from '../../config/fields.ts';
import type { Path } from '../../dtab/path.ts';
import { clientTls, type DestinationTls, overlayTls, type TlsLayer } from '../../tls/client-tls.ts';
import { parsePrefixPattern } from './prefix-pattern.ts';

/** Keys of Linkerd 1.x that change nothing here. */
const accepted = {
  maxEffort: count(1)
    .optional()
    .meta({ description: 'accepted for configs of Linkerd 1.x; a choice never needs more than one draw here' }),
  enableProbation: z.boolean().optional().meta({
    description: 'accepted for configs of Linkerd 1.x; an endpoint that left never gets new connections here',
  }),
};

const loadBalancer = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('p2c'), ...accepted })
    .meta({ description: 'the less loaded of two drawn at random' }),
  z
    .strictObject({
      kind: z.literal('ewma'),
      ...accepted,
      decayTimeMs: millis(1).default(10_000).meta({ description: 'how fast old connect times stop counting' }),
    })
    .meta({ description: 'of two drawn at random the one with the lower connect time times load' }),
  z.strictObject({ kind: z.literal('roundRobin'), ...accepted }).meta({ description: 'each in turn, by weight' }),
]);

const failFast = z.strictObject({
  maxConsecutiveFailures: count(1)
    .default(5)
    .meta({ description: 'this many failed connects in a row take an endpoint out' }),
  failurePenaltySecs: seconds(1)
    .default(60)
    .meta({ description: 'for how long the first time; doubles with each repetition' }),
  maxPenaltySecs: seconds(1).default(300).meta({ description: 'where the doubling ends' }),
});

const retryBackoff = z.strictObject({
  min: millis().default(50).meta({ description: 'before the second attempt' }),
  max: millis().default(1000).meta({ description: 'where the doubling ends' }),
});

/** How connections to the backends of one destination are made; every key has its value. */
export interface ConnectorConfig {
  /** Absent: no TLS. */
  readonly tls?: DestinationTls;
  readonly connectTimeoutMs: number;
  readonly maxWaiters: number;
  readonly minConnections: number;
  readonly failFast: z.output<typeof failFast>;
  readonly loadBalancer: z.output<typeof loadBalancer>;
  /** Absent: as many as fit into the time that a connection may wait. */
  readonly maxRetries?: number;
  readonly branchFailover: boolean;
  readonly retryBackoffMs: z.output<typeof retryBackoff>;
}

/** The values of keys that an entry omits. */
const defaults: ConnectorConfig = {
  connectTimeoutMs: 3000,
  maxWaiters: 1_000_000,
  minConnections: 0,
  failFast: { maxConsecutiveFailures: 5, failurePenaltySecs: 60, maxPenaltySecs: 300 },
  loadBalancer: { kind: 'p2c' },
  branchFailover: true,
  retryBackoffMs: { min: 50, max: 1000 },
};

// Optional instead of defaulted: an entry of io.l5d.static overlays only the keys it has.
const connector = {
  tls: clientTls
    .optional()
    .meta({ description: 'TLS to the backends; entries that apply together are merged key by key here, too' }),
  connectTimeoutMs: millis(1)
    .optional()
    .meta({ default: defaults.connectTimeoutMs, description: 'bound of one attempt to connect to one endpoint' }),
  maxWaiters: count().optional().meta({
    default: defaults.maxWaiters,
    description:
      'connections that may wait at once, for the name or for another attempt; more are refused; with 0, none may wait',
  }),
  minConnections: wholeNumber(0, 10_000, 'a whole number from 0 to 10000')
    .optional()

    .meta({
      default: defaults.minConnections,
      description: 'idle connections kept ready per destination; not for servers that expect a login at once',
    }),
  failFast: failFast
    .optional()
    .meta({ default: defaults.failFast, description: 'when a failing endpoint is ejected, and for how long' }),
  loadBalancer: loadBalancer
    .optional()
    .meta({ default: defaults.loadBalancer, description: 'how an endpoint is chosen' }),
  maxRetries: wholeNumber(0, 100, 'a whole number from 0 to 100')
    .optional()
    .meta({
      description:
        'further attempts after a failed connect, on other endpoints first; by default as many as fit into the `connectTimeoutMs` of ' +
        'the server, so that a connection outlasts the restart of its only endpoint',
    }),
  branchFailover: z
    .boolean()
    .optional()
    .meta({
      default: defaults.branchFailover,
      description:
        'if no endpoint of the branch drawn from a weighted union can be used, another branch is drawn; with `false` the connection ' +
        'stays in its branch, and its share fails',
    }),
  retryBackoffMs: retryBackoff
    .optional()
    .meta({ default: defaults.retryBackoffMs, description: 'pause between attempts; doubles, with jitter' }),
};

const prefix = parsedText('a path prefix like /svc', parsePrefixPattern).meta({
  description: 'applies to destinations whose name starts with it; `*` is any segment, `{name}` captures',
});

export const clientConfig = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('io.l5d.global').optional().default('io.l5d.global'), ...connector })
    .meta({ description: 'the same for every destination' }),
  z
    .strictObject({
      kind: z.literal('io.l5d.static'),
      configs: z
        .array(z.strictObject({ prefix, ...connector }))
        .meta({ description: 'all entries that match apply, in file order; later ones win, key by key' }),
    })
    .meta({ description: 'by prefix of the destination name' }),
]);

export type ClientConfig = z.output<typeof clientConfig>;

/** How to connect to the backends of the destination `dstName`. */
export function clientFor(client: ClientConfig, dstName: Path): ConnectorConfig {
  const layers = layersFor(client, dstName);
  const {
    kind: _,
    prefix: __,
    tls: ___,
    ...merged
  }: Record<string, unknown> = Object.assign({}, defaults, ...layers.map(({ keys }) => present(keys)));
  const { failFast: penalty, retryBackoffMs: pause, ...rest } = merged as unknown as ConnectorConfig;
  const tls = overlayTls(layers.map(({ keys, captured }): TlsLayer => ({ tls: keys.tls, captured })));
  return {
    ...rest,
    ...(tls && { tls }),
    // A default never contradicts what was configured.
    failFast: { ...penalty, maxPenaltySecs: Math.max(penalty.maxPenaltySecs, penalty.failurePenaltySecs) },
    retryBackoffMs: { min: pause.min, max: Math.max(pause.max, pause.min) },
  };
}

/** Indices of the entries that apply to `dstName`, in `client.configs`; none without entries. */
export const entriesFor = (client: ClientConfig, dstName: Path): readonly number[] =>
  layersFor(client, dstName).flatMap(({ entry }) => (entry === undefined ? [] : [entry]));

function layersFor(client: ClientConfig, dstName: Path) {
  if (client.kind === 'io.l5d.global') return [{ keys: client, captured: {}, entry: undefined }];
  return client.configs.flatMap((keys, entry) => {
    const captured = parsePrefixPattern(keys.prefix).match(dstName);
    return captured === undefined ? [] : [{ keys, captured, entry }];
  });
}

const present = (layer: object) => Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
