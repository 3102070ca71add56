/** The namers behind `/$/`, there without any config. */
import { of } from 'rxjs';
import { empty, fail, leaf, neg } from '../../dtab/name-tree.ts';
import { showPath } from '../../dtab/show.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { failed, ok } from '../../live/activity.ts';
import type { Dns } from '../dns.ts';
import type { Name, Namer } from '../name.ts';
import { fixedInet, inet, reversedInet } from './inet.ts';
import { rewrites } from './rewrites.ts';

/** What may follow `/$`. */
export const builtinClasses = (): readonly string[] => [
  'inet',
  'fixedinet',
  'io.buoyant.rinet',
  'nil',
  'fail',
  ...Object.keys(rewrites),
];

/** Looks up what follows `/$`. A class that is not known is an error, not Neg: it is a rule's misspelling. */
export function builtinNamer(dns: Dns): Namer {
  return {
    lookup: ([kind, ...rest]) => {
      switch (kind) {
        case undefined:
          return of(ok(neg));
        case 'inet':
          return inet(dns, rest);
        case 'fixedinet':
          return fixedInet(dns, rest);
        case 'io.buoyant.rinet':
          return reversedInet(dns, rest);
        case 'nil':
          return of(ok(empty));
        case 'fail':
          return of(ok(fail));
      }
      if (!Object.hasOwn(rewrites, kind))
        return of(failed(new LinkerdTcpError('NAMER_UNKNOWN', { namer: showPath([kind]).slice(1) })));
      const path = rewrites[kind](rest);
      return of(ok(path ? leaf<Name>({ type: 'path', path }) : neg));
    },
  };
}
