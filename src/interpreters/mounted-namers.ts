/**
 * The namers of a configuration, mounted: each at `/#` and its prefix, watched and transformed.
 *
 * A configuration that follows another keeps the namers that both have, with their watches; {@link Namers.keepOnly} closes the
 * others.
 */
import { parsePath } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { endScope } from '../metrics/join-scopes.ts';
import type { Registry } from '../metrics/registry.ts';
import { bindTree } from '../naming/bind.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import type { NamerConfig, NamerKind, NamingContext, TransformerKind } from '../naming/kinds.ts';
import type { MountedNamer } from '../naming/name.ts';
import { transformNamer } from '../naming/transformers/apply.ts';
import { type WatchedNamer, type WatchStatus, watched } from '../naming/watched.ts';
import { createTransformers, kindOf } from './assemble.ts';

export interface NamersOptions {
  readonly namers: readonly NamerKind[];
  readonly transformers: readonly TransformerKind[];
  readonly context: NamingContext;
  /** Where each namer has its series; absent where nothing reads them. */
  readonly registry?: Registry | undefined;
}

interface Mounted {
  readonly prefix: Path;
  readonly namer: WatchedNamer;
  close(): Promise<void>;
}

export class Namers {
  readonly #options: NamersOptions;
  /** Without transformers, by configuration. */
  readonly #plain = new Map<string, Mounted>();
  /** With them, by configuration of all: transformers may bind by any of the namers. */
  readonly #transformed = new Map<string, readonly MountedNamer[]>();

  constructor(options: NamersOptions) {
    this.#options = options;
  }

  /** In the order of `configs`: the last one is asked first. */
  mount(configs: readonly NamerConfig[]): readonly MountedNamer[] {
    const key = JSON.stringify(configs);
    const known = this.#transformed.get(key);
    if (known) return known;
    const { transformers, context } = this.#options;
    const plain = configs.map(config => this.#mount(config));
    const builtin = builtinNamer(context.dns);
    // Transformers bind over the namers without transformers, so that none can lead back to itself.
    const bind = (path: Path) => bindTree({ dtab: [], namers: plain, builtin }, path);
    const mounted = plain.map(({ prefix, namer }, i) => {
      const chain = createTransformers(configs[i].transformers, transformers, context);
      return { prefix, namer: transformNamer(namer, chain, bind) };
    });
    this.#transformed.set(key, mounted);
    return mounted;
  }

  /** Closes those that `configs` does not name. Nothing may observe them any more. */
  async keepOnly(configs: readonly NamerConfig[]): Promise<void> {
    const all = JSON.stringify(configs);
    for (const key of this.#transformed.keys()) if (key !== all) this.#transformed.delete(key);
    const used = new Set(configs.map(plainKey));
    const unused = [...this.#plain].filter(([key]) => !used.has(key));
    for (const [key] of unused) this.#plain.delete(key);
    await Promise.all(unused.map(([, { close }]) => close()));
  }

  close(): Promise<void> {
    return this.keepOnly([]);
  }

  /** The names watched at this moment with the age of their answers, and the state of each namer under its prefix. */
  watches(): readonly WatchStatus[] {
    return [...this.#plain.values()].flatMap(({ prefix, namer }) => [
      ...(namer.state ? [{ path: showPath(prefix), ageMs: undefined, failure: undefined, state: namer.state() }] : []),
      ...namer.watches(),
    ]);
  }

  #mount(config: NamerConfig): Mounted {
    const key = plainKey(config);
    const known = this.#plain.get(key);
    if (known) return known;
    const { namers, context, registry } = this.#options;
    const prefix = ['#', ...parsePath(config.prefix)];
    const scope = registry?.scope({ namer: showPath(prefix) });
    const namer = watched(kindOf(namers, config.kind).create(config, { ...context, prefix, scope }), {
      ...context,
      prefix,
    });
    scope?.computed('l5d:namer:watches', {}, () => namer.watches().length);
    scope?.computed(
      'l5d:namer:failing',
      {},
      () => namer.watches().filter(({ failure }) => failure !== undefined).length,
    );
    const close = async () => {
      if (scope) endScope(scope);
      await namer.close?.();
    };
    const mounted = { prefix, namer, close };
    this.#plain.set(key, mounted);
    return mounted;
  }
}

/** Two namers with other transformers are one before these. */
const plainKey = ({ transformers: _, ...config }: NamerConfig): string => JSON.stringify(config);
