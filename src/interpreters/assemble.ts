/** From a checked config to an interpreter and transformers. */
import { parsePath } from '../dtab/parse.ts';
import type { Interpreter } from '../naming/interpreter.ts';
import type {
  InterpreterConfig,
  InterpreterContext,
  InterpreterKind,
  NamingContext,
  Transformer,
  TransformerConfig,
  TransformerKind,
} from '../naming/kinds.ts';
import { transformInterpreter } from '../naming/transformers/apply.ts';

export function createInterpreter(
  config: InterpreterConfig,
  kinds: readonly InterpreterKind[],
  transformerKinds: readonly TransformerKind[],
  context: InterpreterContext,
): Interpreter {
  const interpreter = kindOf(kinds, config.kind).create(config, context);
  return transformInterpreter(interpreter, createTransformers(config.transformers, transformerKinds, context));
}

export function createTransformers(
  configs: readonly TransformerConfig[],
  kinds: readonly TransformerKind[],
  context: NamingContext,
): readonly Transformer[] {
  return configs.map(config =>
    kindOf(kinds, config.kind).create(config, { ...context, prefix: ['%', ...parsePath(config.prefix)] }),
  );
}

export function kindOf<K extends { readonly kind: string }>(kinds: readonly K[], kind: string): K {
  const found = kinds.find(one => one.kind === kind);
  if (found === undefined) throw new RangeError(`no such kind: ${kind}`);
  return found;
}
