/**
 * The configuration of `namerd`: every key, its default and what it means. Keys are those of Linkerd 1.x's Namerd.
 */
import { z } from 'zod';
import { ip, listenPort, maxTimerMs, wholeNumber } from '../../config/fields.ts';
import { authConfig } from '../../namerd/access/auth-config.ts';
import { experimental, type NamerKind, namerConfig, type TransformerKind } from '../../naming/kinds.ts';
import { type StoreKind, storeConfig } from '../../stores/kind.ts';
import { interfaceTls } from '../../tls/interface-tls.ts';
import { telemetryConfig } from '../shared/telemetry-config.ts';

export interface NamerdKinds {
  readonly stores: readonly StoreKind[];
  readonly namers: readonly NamerKind[];
  readonly transformers: readonly TransformerKind[];
}

export const namerdAdminDefaults = { ip: '127.0.0.1', port: 9991 };
export const httpControllerDefaults = { ip: '127.0.0.1', port: 4180 };

const admin = z.strictObject({
  port: listenPort().default(namerdAdminDefaults.port).meta({ description: 'port of the admin API' }),
  ip: ip().default(namerdAdminDefaults.ip).meta({ description: 'address of the admin API' }),
  shutdownGraceMs: wholeNumber(0, maxTimerMs, 'a whole number of milliseconds, at most 24 days')
    .default(10_000)
    .meta({ description: 'how long requests under way may go on after a request to stop' }),
});

const httpController = z.strictObject({
  kind: z.literal('io.l5d.httpController'),
  ip: ip().default(httpControllerDefaults.ip).meta({ description: 'address of the HTTP API' }),
  port: listenPort().default(httpControllerDefaults.port).meta({ description: 'port of the HTTP API' }),
  tls: interfaceTls.optional().meta({ description: 'speak https' }),
  auth: authConfig
    .optional()
    .meta({ description: 'who may do what, by bearer tokens; without it whoever reaches the API may do everything' }),
  maxWatches: wholeNumber(1, 1_000_000, 'a whole number from 1 to 1000000')
    .default(10_000)
    .meta({ description: 'watches open at one time; each proxy has two or more for each of its names' }),
  experimental,
});

export function namerdSchema({ stores, namers, transformers }: NamerdKinds) {
  return z.strictObject({
    admin: admin.prefault({}).meta({ description: 'the admin API: metrics, state, shutdown' }),
    storage: storeConfig(stores).meta({ description: 'where the dtabs are kept' }),
    namers: z
      .array(namerConfig(namers, transformers))
      .default([])
      .meta({ description: 'service discovery that names are bound by; their prefixes must not overlap' }),
    interfaces: z
      .array(z.discriminatedUnion('kind', [httpController]))
      .min(1, 'expected one or more interfaces')
      .meta({ description: 'how namerd is asked; at least one' }),
    telemetry: telemetryConfig.default([]).meta({ description: 'where the admin API has metrics, beside `/metrics`' }),
    usage: z
      .unknown()
      .optional()
      .meta({ description: 'accepted for configs of Linkerd 1.x and ignored: nothing phones home' }),
  });
}

export type NamerdConfig = z.output<ReturnType<typeof namerdSchema>>;
export type HttpControllerConfig = NamerdConfig['interfaces'][number];
