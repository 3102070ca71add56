/** From text to a validated value, or to one error that reports every problem. */
import type { z } from 'zod';
import { LinkerdTcpError } from '../errors.ts';
import { ConfigDocument } from './document.ts';
import { explain, type Vocabulary } from './explain.ts';
import type { Problem } from './problem.ts';
import { type LocatedProblem, listing, locate, type Purpose, report } from './report.ts';

export interface LoadOptions<S extends z.ZodType> {
  /** Named in the report: `linkerd-tcp`, `namerd`. */
  readonly program: string;
  /** As the operator wrote it; `<stdin>` for standard input. */
  readonly file: string;
  readonly text: string;
  readonly purpose?: Purpose;
  readonly schema: S;
  readonly vocabulary?: Vocabulary;
  /** Told of everything questionable in a configuration that can be used, with its place. */
  readonly warned?: ((warning: string) => void) | undefined;
  /** Sees the document first and may throw an answer of its own, e.g. for the format of another version. */
  readonly recognise?: (document: ConfigDocument) => void;
  /** Completes the plain value before the schema sees it, e.g. relative paths; must bear any shape. */
  readonly prepare?: (value: unknown) => unknown;
  /** Checks across keys. Gets the plain value, whatever its shape, so that it reports together with the schema. */
  readonly check?: (value: unknown, complain: (problem: Problem) => void, document: ConfigDocument) => void;
}

/** @throws LinkerdTcpError CONFIG_INVALID with the whole report as its message; nothing else. */
export function load<S extends z.ZodType>(options: LoadOptions<S>): z.output<S> {
  const { program, file, schema } = options;
  const document = new ConfigDocument(options.text);
  const found: LocatedProblem[] = document.syntaxProblems.map(({ at, message }) => ({ at, text: message }));
  let value: z.output<S> | undefined;
  if (document.value !== undefined) {
    options.recognise?.(document);
    const plain = options.prepare === undefined ? document.value : options.prepare(document.value);
    const parsed = schema.safeParse(plain);
    const problems: Problem[] = [];
    if (parsed.success) value = parsed.data;
    else problems.push(...explain(schema, plain, parsed.error.issues, options.vocabulary));
    options.check?.(plain, problem => problems.push(problem), document);
    for (const problem of distinct(problems)) found.push(locate(document, problem));
  }
  const errors = found.filter(({ severity }) => severity === undefined);
  if (errors.length > 0)
    throw new LinkerdTcpError('CONFIG_INVALID', { report: report(program, file, options.purpose ?? 'start', errors) });
  if (found.length > 0) for (const line of listing(file, found)) options.warned?.(line.trim());
  return value as z.output<S>;
}

/** A value may break two rules of its schema for the same reason. */
function distinct(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map(problem => [JSON.stringify(problem), problem])).values()];
}
