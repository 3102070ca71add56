/**
 * Kinds: how a namer, an interpreter or a transformer is written once and then chosen in a config by its `kind`.
 *
 * A kind is a strict zod schema of its own keys plus a `create` function. The keys every namer, interpreter or transformer
 * has (`kind`, `prefix`, `experimental`, `transformers`) are added here; `create` sees defaults already filled in.
 */
import type { Observable } from 'rxjs';
import { z } from 'zod';
import type { SharedClients } from '../clients/shared-clients.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import { parsePath } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import type { Activity } from '../live/activity.ts';
import type { Log } from '../log.ts';
import type { Scope } from '../metrics/registry.ts';
import type { CertificateMonitor } from '../tls/certificate-monitor.ts';
import type { Delegation } from './delegation.ts';
import type { Dns } from './dns.ts';
import type { Interpreter } from './interpreter.ts';
import type { Bound, MountedNamer, Namer } from './name.ts';

/** The services that the running program passes to every kind. */
export interface NamingContext {
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Uniform in [0, 1); spreads retries. */
  readonly random: () => number;
  /** Certificates that clients show are reported to it, so that their expiry is seen. */
  readonly certificates?: CertificateMonitor | undefined;
  /** Connections to backends that kinds with the same configuration share. */
  readonly clients: SharedClients;
  /** One for the whole program: who asks for the same host shares its lookups. */
  readonly dns: Dns;
}

export interface NamerContext extends NamingContext {
  /** Where the namer is mounted, e.g. `['#', 'io.l5d.fs']`: its bound ids start with it. */
  readonly prefix: Path;
  /** For its own series; they end when it is closed. Absent where nothing reads metrics. */
  readonly scope?: Scope | undefined;
}

export interface InterpreterContext extends NamingContext {
  /** The program's namers in the order of the config: the last one is asked first. */
  readonly namers: readonly MountedNamer[];
}

export interface TransformerContext extends NamingContext {
  /** E.g. `['%', 'io.l5d.port']`: what a transformer puts in front of the ids it touches starts with it. */
  readonly prefix: Path;
}

/** Changes bound trees on their way from a namer or an interpreter to their observer. */
export interface Transformer {
  /** The prefix it adds to bound ids, e.g. `['%', 'io.l5d.port', '4141']`; also its name in delegation trees. */
  readonly prefix: Path;
  /** `bind` answers any path as it would be without this transformer. */
  transform(tree: NameTree<Bound>, bind: Bind): Observable<Activity<NameTree<Bound>>>;
  /** `explain` delegates any path as it would be without this transformer. */
  delegate(tree: Delegation, explain: (path: Path) => Promise<Delegation>): Promise<Delegation>;
}

export type Bind = (path: Path) => Observable<Activity<NameTree<Bound>>>;

interface Kind<S extends z.ZodObject, Context, Made> {
  /** The value of `kind` in a config, e.g. `io.l5d.fs`. */
  readonly kind: string;
  /** A `z.strictObject` of the kind's own keys, each with a default or a `.meta({ description })`. */
  readonly config: S;
  create(config: z.output<S>, context: Context): Made;
}

/**
 * A namer's `lookup` may fail, throw, repeat itself and be slow: the wrapper around it (naming/watched.ts) shares watches,
 * suppresses repetitions, keeps the last good answer and tries again after an error.
 *
 * The contract of `addr`, which test/naming/namer-contract.ts checks: a bound name's `addr` is cold, and can be subscribed to
 * for as long as its id means anything: also after the `lookup` that gave it has ended, failed or been replaced, and again after
 * all observers have left. A tree with equal ids is suppressed, so observers keep the `addr` of the first one; an `addr` that
 * depended on its lookup would never change again.
 */
export type NamerKind<S extends z.ZodObject = z.ZodObject> = Kind<S, NamerContext, Namer>;
export interface InterpreterKind<S extends z.ZodObject = z.ZodObject> extends Kind<S, InterpreterContext, Interpreter> {
  /** Whether it binds by the namers of the same configuration: true unless given. */
  readonly usesNamers?: boolean;
}
export type TransformerKind<S extends z.ZodObject = z.ZodObject> = Kind<S, TransformerContext, Transformer>;

export const defineNamer = <S extends z.ZodObject>(kind: NamerKind<S>): NamerKind<S> => kind;
export const defineInterpreter = <S extends z.ZodObject>(kind: InterpreterKind<S>): InterpreterKind<S> => kind;
export const defineTransformer = <S extends z.ZodObject>(kind: TransformerKind<S>): TransformerKind<S> => kind;

/** A transformer as configured; its own keys are known to its kind alone. */
export interface TransformerConfig {
  readonly kind: string;
  readonly prefix: string;
  readonly [key: string]: unknown;
}

export interface NamerConfig extends TransformerConfig {
  readonly transformers: readonly TransformerConfig[];
}

export interface InterpreterConfig {
  readonly kind: string;
  readonly transformers: readonly TransformerConfig[];
  readonly [key: string]: unknown;
}

/** A path in a config, checked with the dtab language's own parser; it stays text. */
export const pathText = () =>
  z.string().superRefine((text, context) => {
    try {
      parsePath(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `is not a path: ${(error as Error).message}` });
    }
  });

const prefixText = (kind: string, under: string) =>
  pathText()
    .refine(text => text.trim() !== '/', { message: 'must have at least one label, like /files' })
    .default(`/${kind}`)
    .meta({ description: `where it is mounted: names under \`/${under}\` followed by this prefix` });

export const experimental = z
  .boolean()
  .optional()
  .meta({ description: 'accepted for configs of Linkerd 1.x, where some kinds ask for it; changes nothing' });

/** One schema for all kinds, chosen by `kind`; a kind's own keys stand before the common ones and win over them. */
function choose<T>(kinds: readonly Kind<z.ZodObject, never, unknown>[], common: (kind: string) => z.ZodRawShape) {
  const options = kinds.map(({ kind, config }) => {
    const added = Object.entries(common(kind)).filter(([key]) => !(key in config.shape));
    return config.safeExtend({ kind: z.literal(kind), ...Object.fromEntries(added) });
  });
  return z.discriminatedUnion('kind', options as never) as unknown as z.ZodType<T>;
}

/** The schema of one transformer of any of these kinds. */
export function transformerConfig(kinds: readonly TransformerKind[]): z.ZodType<TransformerConfig> {
  return choose(kinds, kind => ({
    prefix: pathText().default(`/${kind}`).meta({ description: 'the prefix, after `/%`, of the ids that it changes' }),
    experimental,
  }));
}

const transformerList = (kinds: readonly TransformerKind[]) =>
  z.array(transformerConfig(kinds)).default([]).meta({ description: 'applied in this order to what is bound' });

/** The schema of one namer of any of these kinds. */
export function namerConfig(
  kinds: readonly NamerKind[],
  transformers: readonly TransformerKind[],
): z.ZodType<NamerConfig> {
  const list = transformerList(transformers);
  return choose(kinds, kind => ({ prefix: prefixText(kind, '#'), experimental, transformers: list }));
}

/** The schema of one interpreter of any of these kinds. */
export function interpreterConfig(
  kinds: readonly InterpreterKind[],
  transformers: readonly TransformerKind[],
): z.ZodType<InterpreterConfig> {
  const list = transformerList(transformers);
  return choose(kinds, () => ({ experimental, transformers: list }));
}
