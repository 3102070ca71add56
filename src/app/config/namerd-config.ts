/**
 * The configuration of `namerd`: every key, its default and what it means. Keys are those of Linkerd 1.x's Namerd.
 */
import { z } from 'zod';
import { ip, listenPort, maxTimerMs, nonEmpty, wholeNumber } from '../../config/fields.ts';
import { experimental, type NamerKind, namerConfig, type TransformerKind } from '../../naming/kinds.ts';
import { tokenText } from '../../naming/namerd/token.ts';
import { type StoreKind, storeConfig } from '../../stores/kind.ts';
import { telemetryConfig } from './telemetry-config.ts';

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

const file = (what: string) => nonEmpty('the path of a PEM file').meta({ description: what });

const serverTls = z
  .strictObject({
    certPath: file('PEM file with the certificate'),
    keyPath: file('PEM file with its private key'),
    intermediateCertsPath: file('PEM file with the chain above the certificate').optional(),
    caCertPath: file('PEM file with the authorities that certificates of clients are checked against').optional(),
    requireClientAuth: z
      .boolean()
      .default(false)
      .meta({ description: 'refuse clients without a certificate of one of these authorities' }),
    ciphers: z
      .array(z.string())
      .min(1)
      .optional()
      .meta({ description: 'cipher suites to offer, by the names of OpenSSL' }),
  })
  .refine(tls => !tls.requireClientAuth || tls.caCertPath !== undefined, {
    message: 'needs caCertPath: whose certificates are good',
    path: ['requireClientAuth'],
  });

const namespaces = (what: string) =>
  z
    .array(
      z
        .string('expected a namespace, or how namespaces begin and a *')
        .regex(/^[^*]*\*?$/, 'expected a * at the end alone: team-a/*, or * for all')
        .min(1, 'expected a namespace, or * for all'),
    )
    .default([])
    .meta({ description: `namespaces whose dtabs ${what}; \`prefix*\` for those that begin so, \`*\` for all` });

const token = z
  .strictObject({
    name: z
      .string('expected a name')
      .regex(/^(?!none$)[A-Za-z0-9._-]{1,64}$/, 'expected up to 64 letters, digits and ._- (and not "none")')
      .meta({ description: 'stands in the log and in metrics in place of the token' }),
    tokenFile: nonEmpty('the path of a file').optional().meta({
      description:
        'file with the token; one on each line while it is changed. It is followed: a change takes effect within a second',
    }),
    token: tokenText('the token itself, in place of tokenFile').optional(),
    read: namespaces('it may read'),
    write: namespaces('it may read and change'),
  })
  .superRefine(({ token, tokenFile, read, write }, context) => {
    const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (token === undefined && tokenFile === undefined) complain('name', 'has no token: give it tokenFile, or token');
    if (token !== undefined && tokenFile !== undefined) complain('token', 'stands beside tokenFile; give one of them');
    if (read.length + write.length === 0) complain('name', 'may do nothing: list namespaces in read or write');
  });

const auth = z
  .strictObject({
    anonymous: z
      .enum(['none', 'read'])
      .default('none')
      .meta({ description: 'what a request without a token may do: nothing, or read every namespace' }),
    tokens: z.array(token).default([]).meta({ description: 'who may do what' }),
  })
  .refine(({ anonymous, tokens }) => anonymous === 'read' || tokens.length > 0, {
    error: 'lets nobody do anything: add tokens, or anonymous: read',
  });

const httpController = z.strictObject({
  kind: z.literal('io.l5d.httpController'),
  ip: ip().default(httpControllerDefaults.ip).meta({ description: 'address of the HTTP API' }),
  port: listenPort().default(httpControllerDefaults.port).meta({ description: 'port of the HTTP API' }),
  tls: serverTls.optional().meta({ description: 'speak https' }),
  auth: auth
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
export type AuthConfig = NonNullable<HttpControllerConfig['auth']>;
