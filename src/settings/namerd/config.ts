/**
 * The configuration of `namerd`: every key, its default and its meaning. Keys are those of Linkerd 1.x's Namerd.
 */
import { z } from 'zod';
import { hostNames, ip, listenPort, maxTimerMs, wholeNumber } from '../../config/fields.ts';
import { type InterfaceKind, interfaceConfig } from '../../namerd/core/interface.ts';
import { type NamerKind, namerConfig, type TransformerKind } from '../../naming/kinds.ts';
import { type StoreKind, storeConfig } from '../../stores/kind.ts';
import { telemetryConfig } from '../shared/telemetry-config.ts';

export interface NamerdKinds {
  readonly stores: readonly StoreKind[];
  readonly namers: readonly NamerKind[];
  readonly transformers: readonly TransformerKind[];
  readonly interfaces: readonly InterfaceKind[];
}

export const namerdAdminDefaults = { ip: '127.0.0.1', port: 9991 };

const admin = z.strictObject({
  port: listenPort().default(namerdAdminDefaults.port).meta({ description: 'port of the admin API' }),
  ip: ip().default(namerdAdminDefaults.ip).meta({ description: 'address of the admin API' }),
  shutdownGraceMs: wholeNumber(0, maxTimerMs, 'a whole number of milliseconds, at most 24 days')
    .default(10_000)
    .meta({ description: 'how long pending requests may take after a request to stop' }),
  allowedHosts: hostNames().meta({
    description: 'host names that clients may use, besides addresses and localhost, when `ip` is loopback',
  }),
});

export function namerdSchema({ stores, namers, transformers, interfaces }: NamerdKinds) {
  return z.strictObject({
    admin: admin.prefault({}).meta({ description: 'the admin API: metrics, state, shutdown' }),
    storage: storeConfig(stores).meta({ description: 'where the dtabs are kept' }),
    namers: z
      .array(namerConfig(namers, transformers))
      .default([])
      .meta({ description: 'service discovery that names are bound by; their prefixes must not overlap' }),
    interfaces: z
      .array(interfaceConfig(interfaces))
      .min(1, 'expected one or more interfaces')
      .meta({ description: 'how clients reach namerd; at least one' }),
    telemetry: telemetryConfig.default([]).meta({ description: 'where the admin API has metrics, beside `/metrics`' }),
    usage: z
      .unknown()
      .optional()
      .meta({ description: 'accepted for configs of Linkerd 1.x and ignored: nothing phones home' }),
  });
}

export type NamerdConfig = z.output<ReturnType<typeof namerdSchema>>;
