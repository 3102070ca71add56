/** Random values of the dtab language. */
import fc from 'fast-check';
import type { Dentry, Dtab } from '../../src/dtab/dtab.ts';
import { empty, fail, type NameTree, neg, type Weighted } from '../../src/dtab/name-tree.ts';
import type { Path } from '../../src/dtab/path.ts';

const byte = fc.oneof(
  fc.constantFrom(...'azAZ09_:.#$%-'),
  fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
);
export const label: fc.Arbitrary<string> = fc.string({ unit: byte, minLength: 1, maxLength: 6 });
export const path: fc.Arbitrary<Path> = fc.array(label, { maxLength: 4 });
export const weight: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 0.5, 1.005, 100),
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(Math.abs),
);

/** Trees as the parser makes them: no Alt or Union of fewer than two. */
export function tree<T>(value: fc.Arbitrary<T>): fc.Arbitrary<NameTree<T>> {
  return fc.letrec<{ tree: NameTree<T> }>(tie => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      value.map((leaf): NameTree<T> => ({ type: 'leaf', value: leaf })),
      fc.constantFrom<NameTree<T>>(neg, empty, fail),
      fc.array(tie('tree'), { minLength: 2, maxLength: 4 }).map((trees): NameTree<T> => ({ type: 'alt', trees })),
      fc
        .array(fc.record({ weight, tree: tie('tree') }, { noNullPrototype: true }), { minLength: 2, maxLength: 4 })
        .map((branches: Weighted<T>[]): NameTree<T> => ({ type: 'union', branches })),
    ),
  })).tree;
}

export const dentry: fc.Arbitrary<Dentry> = fc.record(
  { prefix: fc.array(fc.option(label), { maxLength: 4 }), dst: tree(path) },
  { noNullPrototype: true },
);
export const dtab: fc.Arbitrary<Dtab> = fc.array(dentry, { maxLength: 5 });

/** Text that is often nearly right. */
export const roughText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'/a*|&()!~$=>;#\n \\x0.5', '=>', '0.5*', '/\\x66', '/a=>/b;'), maxLength: 40 }),
);
