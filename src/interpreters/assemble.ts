/** From a checked config to mounted namers and an interpreter, with their transformers. */
import { parsePath } from '../dtab/parse.ts';
import type { Path } from '../dtab/path.ts';
import { bindTree } from '../naming/bind.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import type { Interpreter } from '../naming/interpreter.ts';
import type {
  InterpreterConfig,
  InterpreterContext,
  InterpreterKind,
  NamerConfig,
  NamerKind,
  NamingContext,
  Transformer,
  TransformerConfig,
  TransformerKind,
} from '../naming/kinds.ts';
import type { MountedNamer } from '../naming/name.ts';
import { transformInterpreter, transformNamer } from '../naming/transformers/apply.ts';
import { type WatchedNamer, type WatchStatus, watched } from '../naming/watched.ts';

export interface MountedNamers {
  /** In the order of the config: the last one is asked first. */
  readonly namers: readonly MountedNamer[];
  /** What is watched at this moment, and how old it is. */
  watches(): readonly WatchStatus[];
}

/** Mounts each namer at `/#` and its prefix, watched and transformed. */
export function mountNamers(
  configs: readonly NamerConfig[],
  kinds: readonly NamerKind[],
  transformerKinds: readonly TransformerKind[],
  context: NamingContext,
): MountedNamers {
  const plain = configs.map(config => {
    const prefix = ['#', ...parsePath(config.prefix)];
    const namer: WatchedNamer = watched(kindOf(kinds, config.kind).create(config, { ...context, prefix }), {
      ...context,
      prefix,
    });
    return { prefix, namer };
  });
  const builtin = builtinNamer(context.dns);
  // Transformers bind over the namers without transformers, so that none can lead back to itself.
  const bind = (path: Path) => bindTree({ dtab: [], namers: plain, builtin }, path);
  return {
    namers: plain.map(({ prefix, namer }, i) => ({
      prefix,
      namer: transformNamer(namer, createTransformers(configs[i].transformers, transformerKinds, context), bind),
    })),
    watches: () => plain.flatMap(({ namer }) => namer.watches()),
  };
}

export function createInterpreter(
  config: InterpreterConfig,
  kinds: readonly InterpreterKind[],
  transformerKinds: readonly TransformerKind[],
  context: InterpreterContext,
): Interpreter {
  const interpreter = kindOf(kinds, config.kind).create(config, context);
  return transformInterpreter(interpreter, createTransformers(config.transformers, transformerKinds, context));
}

function createTransformers(
  configs: readonly TransformerConfig[],
  kinds: readonly TransformerKind[],
  context: NamingContext,
): readonly Transformer[] {
  return configs.map(config =>
    kindOf(kinds, config.kind).create(config, { ...context, prefix: ['%', ...parsePath(config.prefix)] }),
  );
}

function kindOf<K extends { readonly kind: string }>(kinds: readonly K[], kind: string): K {
  const found = kinds.find(one => one.kind === kind);
  if (found === undefined) throw new RangeError(`no such kind: ${kind}`);
  return found;
}
