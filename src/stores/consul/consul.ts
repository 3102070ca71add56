/**
 * Store `io.l5d.consul`: Consul's KV store, one key for each namespace below `pathPrefix`, its value the dtab as text. What
 * Linkerd 1.x's Namerd has written is read as it is, and the other way round.
 */
import { z } from 'zod';
import { consulClient, consulKeys, consulOrigin } from '../../clients/consul/config.ts';
import { wholeNumber } from '../../config/fields.ts';
import { defineStore } from '../kind.ts';
import { RemoteStore } from '../remote-store.ts';
import { ConsulBackend } from './backend.ts';

const consistency = z.enum(['default', 'stale', 'consistent']).default('default');
/** Less than a day; at least so long that a Consul which is down is not asked in a loop. */
const waitMs = (what: string) =>
  wholeNumber(1, 86_400_000, 'a whole number of milliseconds').meta({ description: what });
const leastBaseMs = 50;

const backoff = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), ms: waitMs('the longest wait before the next attempt') }),
  z
    .strictObject({
      kind: z.literal('jittered'),
      minMs: waitMs('the longest wait before the second attempt; it doubles from there'),
      maxMs: waitMs('the longest wait ever'),
    })
    .refine(({ minMs, maxMs }) => minMs <= maxMs, { message: 'minMs must not be more than maxMs', path: ['minMs'] }),
]);

export const consulStore = defineStore({
  kind: 'io.l5d.consul',
  config: z
    .strictObject({
      ...consulKeys,
      pathPrefix: z
        .string()
        .regex(/^(\/(?!\.\.?(\/|$))[^/\s]+)+$/, {
          message: 'expected a path of one or more labels, like /namerd/dtabs',
        })
        .default('/namerd/dtabs')
        .meta({ description: 'the folder of the KV store that has a key for each namespace' }),
      datacenter: z
        .string()
        .min(1)
        .optional()
        .meta({ description: 'whose KV store; else that of the agent which is asked' }),
      readConsistencyMode: consistency.meta({
        description: '`consistent`: the leader makes sure that it is one; `stale`: any server, also without a leader',
      }),
      writeConsistencyMode: consistency.meta({
        description: 'accepted for configs of Linkerd 1.x; changes nothing, every write goes through the leader',
      }),
      backoff: backoff.optional().meta({ description: 'how fast a Consul that fails is asked again' }),
    })
    .refine(({ token, tokenFile }) => token === undefined || tokenFile === undefined, {
      message: 'give token or tokenFile, not both',
      path: ['tokenFile'],
    }),
  create: (config, { log, random, certificates }) => {
    const { pathPrefix, readConsistencyMode } = config;
    const store = `io.l5d.consul (${consulOrigin(config)}${pathPrefix})`;
    const backend = new ConsulBackend({
      store,
      client: consulClient(config, { log, certificates }),
      folder: `${pathPrefix.slice(1)}/`,
      consistency: readConsistencyMode,
      log,
    });
    const retries = config.backoff && retriesOf(config.backoff);
    return new RemoteStore({ store, backend, log, random, ...(retries !== undefined && { retries }) });
  },
});

function retriesOf(config: z.output<typeof backoff>): { readonly baseMs: number; readonly maxMs: number } {
  const [baseMs, maxMs] = config.kind === 'constant' ? [config.ms, config.ms] : [config.minMs, config.maxMs];
  return { baseMs: Math.max(leastBaseMs, baseMs), maxMs: Math.max(leastBaseMs, maxMs) };
}
