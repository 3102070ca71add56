/**
 * The config of `io.l5d.namerd.http`, in the two styles it has had: linkerd-tcp's (`baseUrl`, `namespace`, `periodSecs`) and
 * Linkerd's (`dst`, `namespace`, `tls`). Both are one schema, so that one message tells which keys do not go together.
 */

import { z } from 'zod';
import { filePath } from '../../config/file-fields.ts';
import { DtabSyntaxError, parsePath } from '../../dtab/parse.ts';
import { type Path, textOf } from '../../dtab/path.ts';
import type { BackoffLimits } from '../../live/backoff.ts';
import { clientTls, type TlsConfig } from '../client-tls.ts';
import { tokenText } from './token.ts';

const retry = z
  .strictObject({
    baseSeconds: z
      .number()
      .positive()
      .max(86_400)
      .default(5)
      .meta({ description: 'the second wait; each later one may double' }),
    maxSeconds: z.number().positive().max(86_400).default(600).meta({ description: 'the longest wait' }),
  })
  .refine(({ baseSeconds, maxSeconds }) => baseSeconds <= maxSeconds, {
    message: 'baseSeconds must not be more than maxSeconds',
  });

/** More would not be noticed: a namerd that answers is used for as long as it answers. */
const maxServers = 16;

const oneOrMore = () => z.union([z.string(), z.array(z.string()).min(1).max(maxServers)]).optional();

const shape = z.strictObject({
  baseUrl: oneOrMore().meta({
    description:
      "namerd's address, e.g. `http://127.0.0.1:4180`; may have a path, may be https. A list names several namerds that serve the same dtabs: the next one is used when one fails",
  }),
  dst: oneOrMore().meta({
    description: "Linkerd's way to say the same: `/$/inet/<host>/<port>`, or a list of them; with `tls` for https",
  }),
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9._~!$&'()*+,;=:@/-]+$/, { message: 'may only have characters that stand in a URL path' })
    .optional()
    .meta({ description: 'the namespace whose dtab names are bound with; with `dst` the default is `default`' }),
  periodSecs: z.number().positive().max(86_400).optional().meta({
    description:
      'seconds between polls of a namerd that cannot stream, and the longest wait before trying a lost one again; with `dst` 10',
  }),
  retry: retry.optional().meta({ description: 'how fast a lost namerd is tried again' }),
  tls: clientTls.optional().meta({ description: 'how namerd is trusted over https' }),
  tokenFile: filePath().optional().meta({
    description: 'file with the token for a namerd that asks for one; read again for each request',
  }),
  token: tokenText('the token itself, in place of tokenFile').optional(),
  requestTimeoutMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(10_000)
    .meta({ description: 'how long namerd may take to answer, or to start a stream' }),
  watchIdleTimeoutMs: z
    .int()
    .min(1000)
    .max(86_400_000)
    .default(600_000)
    .meta({ description: 'a stream that is silent for so long (heartbeats count) is opened anew' }),
});

type Keys = z.output<typeof shape>;

export const namerdHttpConfig = shape.superRefine((keys, context) => {
  for (const [place, message] of problems(keys)) context.addIssue({ code: 'custom', path: [...place], message });
});

export type NamerdHttpConfig = Keys;

/** The settings of the client, from either style. */
export interface NamerdHttpTarget {
  /** In the order of preference. */
  readonly baseUrls: readonly URL[];
  readonly namespace: string;
  readonly periodMs: number;
  readonly backoff: BackoffLimits;
  readonly tls?: TlsConfig;
  readonly requestTimeoutMs: number;
  readonly watchIdleTimeoutMs: number;
}

/** @param config has passed {@link namerdHttpConfig} */
export function targetOf(config: NamerdHttpConfig): NamerdHttpTarget {
  const { tls, requestTimeoutMs, watchIdleTimeoutMs } = config;
  const common = { tls: tls?.enabled === false ? undefined : tls, requestTimeoutMs, watchIdleTimeoutMs };
  if (config.baseUrl !== undefined) {
    const period = config.periodSecs!;
    // A period promises updates within that time, also after an outage.
    const { baseSeconds, maxSeconds } = config.retry ?? { baseSeconds: Math.min(5, period), maxSeconds: period };
    return {
      ...common,
      baseUrls: listed(config.baseUrl).map(url => new URL(url)),
      namespace: config.namespace!,
      periodMs: period * 1000,
      backoff: { baseMs: baseSeconds * 1000, maxMs: maxSeconds * 1000 },
    };
  }
  const { baseSeconds, maxSeconds } = config.retry ?? { baseSeconds: 5, maxSeconds: 600 };
  return {
    ...common,
    baseUrls: listed(config.dst).map(dst => urlOfDst(dst, common.tls !== undefined)!),
    namespace: config.namespace ?? 'default',
    periodMs: (config.periodSecs ?? 10) * 1000,
    backoff: { baseMs: baseSeconds * 1000, maxMs: maxSeconds * 1000 },
  };
}

const listed = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

type Problem = readonly [place: readonly [keyof Keys, ...number[]], message: string];

function problems(keys: Keys): Problem[] {
  const isTwice = keys.token !== undefined && keys.tokenFile !== undefined;
  return [
    ...(isTwice ? [[['token'], 'cannot be combined with tokenFile'] satisfies Problem] : []),
    ...placeProblems(keys),
  ];
}

function placeProblems(keys: Keys): Problem[] {
  const { baseUrl, dst } = keys;
  if (baseUrl !== undefined && dst !== undefined)
    return [[['dst'], 'cannot be combined with baseUrl: both say where namerd is']];
  if (baseUrl !== undefined) return baseUrlProblems(keys, baseUrl);
  if (dst !== undefined) return dstProblems(keys, dst);
  return [[['baseUrl'], 'is missing: give baseUrl (http://127.0.0.1:4180) or dst (/$/inet/127.0.0.1/4180)']];
}

function baseUrlProblems({ namespace, periodSecs, tls }: Keys, baseUrl: string | readonly string[]): Problem[] {
  const found: Problem[] = [];
  const isSecure = tls !== undefined && tls.enabled !== false;
  for (const [place, url] of places('baseUrl', baseUrl)) {
    const reason = whyNotBaseUrl(url);
    if (reason) found.push([place, reason]);
    else if (isSecure && !url.toLowerCase().startsWith('https:'))
      found.push([['tls'], 'needs a baseUrl that starts with https://']);
  }
  if (namespace === undefined) found.push([['namespace'], 'is required with baseUrl']);
  if (periodSecs === undefined) found.push([['periodSecs'], 'is required with baseUrl']);
  return found;
}

/** Each value, and where it is written. */
function places(key: keyof Keys, value: string | readonly string[]): (readonly [Problem[0], string])[] {
  return typeof value === 'string' ? [[[key], value]] : value.map((one, i) => [[key, i], one]);
}

function whyNotBaseUrl(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text)) {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
    return scheme
      ? `starts with ${scheme}://; it must start with http:// or https://`
      : `must start with http:// or https://; did you mean http://${text.replace(/^\/+/, '')}?`;
  }
  if (!URL.canParse(text)) return 'is not a URL; it should look like http://127.0.0.1:4180';
  const url = new URL(text);
  if (url.search || url.hash) return 'must not have a query or a fragment';
  if (url.username || url.password) return 'must not have a user name or password: they would not be sent';
  return undefined;
}

function dstProblems({ tls }: Keys, dst: string | readonly string[]): Problem[] {
  const found: Problem[] = [];
  for (const [place, one] of places('dst', dst))
    if (!urlOfDst(one, false))
      found.push([place, 'must be /$/inet/<host>/<port>: namerd is found without other namers']);
  if (tls && tls.enabled !== false && tls.commonName === undefined && !tls.disableValidation)
    found.push([['tls'], "needs commonName, the name in namerd's certificate, or disableValidation: true"]);
  return found;
}

/** `/$/inet/<host>/<port>`, or `/$/inet/<port>` for this machine. */
function urlOfDst(dst: string, secure: boolean): URL | undefined {
  const path = pathOf(dst);
  const [host, port] = path.length === 3 ? ['127.0.0.1', path[2]] : [textOf(path[2] ?? ''), path[3]];
  if (path[0] !== '$' || path[1] !== 'inet' || path.length > 4 || !/^[1-9]\d{0,4}$/.test(port ?? '')) return undefined;
  const url = `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  // A host with a slash or an @ would parse as something else.
  return /^[^\s/?#@\\]+$/.test(host) && URL.canParse(url) ? new URL(url) : undefined;
}

/** Text that is not a path becomes the empty path, which does not resolve. */
function pathOf(text: string): Path {
  try {
    return parsePath(text);
  } catch (error) {
    if (error instanceof DtabSyntaxError) return [];
    throw error;
  }
}
