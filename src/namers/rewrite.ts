/** Namer `io.l5d.rewrite`: names under its prefix are rewritten by a pattern and go through the dtab again. */
import { of } from 'rxjs';
import { z } from 'zod';
import { leaf, type NameTree, neg } from '../dtab/name-tree.ts';
import { ok } from '../live/activity.ts';
import { defineNamer } from '../naming/kinds.ts';
import type { Name } from '../naming/name.ts';
import { PathPattern, PathTemplate, PatternSyntaxError } from './path-pattern.ts';

const config = z
  .strictObject({
    pattern: z
      .string()
      .meta({ description: 'the beginning of the names it rewrites, e.g. `/svc/{name}/*`; the rest is dropped' }),
    name: z.string().meta({ description: 'the name it becomes, e.g. `/host/{name}`' }),
  })
  .superRefine(({ pattern, name }, context) => {
    const known = attempt(() => new PathPattern(pattern).names, ['pattern'], context);
    const used = attempt(() => new PathTemplate(name).names, ['name'], context);
    const unknown = known && used?.find(variable => !known.includes(variable));
    if (unknown !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['name'],
        message: `uses {${unknown}}, which pattern does not capture`,
      });
  });

function attempt<T>(read: () => T, path: string[], context: z.RefinementCtx): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PatternSyntaxError)) throw error;
    context.addIssue({ code: 'custom', path, message: error.message });
    return undefined;
  }
}

export const rewriteNamer = defineNamer({
  kind: 'io.l5d.rewrite',
  config,
  create: ({ pattern, name }) => {
    const from = new PathPattern(pattern);
    const to = new PathTemplate(name);
    return {
      lookup: path => {
        const captures = from.match(path);
        const rewritten = captures && to.fill(captures);
        return of(ok<NameTree<Name>>(rewritten ? leaf({ type: 'path', path: rewritten }) : neg));
      },
    };
  },
});
