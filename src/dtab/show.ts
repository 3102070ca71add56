/**
 * Prints the dtab language. Parsing the text gives the same value, `parse(show(x)) = x`, except that an Alt or Union of one child
 * prints as the child and one without children as `~`, which are equivalent.
 */
import type { Dentry, Dtab, Prefix } from './dtab.ts';
import type { NameTree } from './name-tree.ts';
import type { Path } from './path.ts';

export function showPath(path: Path): string {
  return `/${path.map(showLabel).join('/')}`;
}

export function showPrefix(prefix: Prefix): string {
  return `/${prefix.map(label => (label === null ? '*' : showLabel(label))).join('/')}`;
}

/** If any byte of a label is not printable, all its bytes print as `\xhh`, as in Linkerd. */
function showLabel(label: string): string {
  if (/^[0-9A-Za-z_:.#$%-]+$/.test(label)) return label;
  return Array.from(label, byte => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
}

export function showTree(tree: NameTree<Path>): string {
  return showTreeOf(tree, showPath);
}

/** The same for trees whose leaves are not paths. */
export function showTreeOf<T>(tree: NameTree<T>, showLeaf: (value: T) => string): string {
  const shown = unwrapped(tree);
  switch (shown.type) {
    case 'leaf':
      return showLeaf(shown.value);
    case 'neg':
      return '~';
    case 'empty':
      return '$';
    case 'fail':
      return '!';
    case 'alt':
      return shown.trees.map(child => within(child, showLeaf, 'alt')).join(' | ');
    case 'union':
      return shown.branches.map(b => showWeight(b.weight) + within(b.tree, showLeaf, 'alt', 'union')).join(' & ');
  }
}

function within<T>(tree: NameTree<T>, showLeaf: (value: T) => string, ...parenthesised: NameTree<T>['type'][]): string {
  const text = showTreeOf(tree, showLeaf);
  return parenthesised.includes(unwrapped(tree).type) ? `(${text})` : text;
}

/** The tree without outer Alts and Unions that have at most one child. */
function unwrapped<T>(tree: NameTree<T>): NameTree<T> {
  let at = tree;
  for (;;) {
    if (at.type !== 'alt' && at.type !== 'union') return at;
    const children = at.type === 'alt' ? at.trees : at.branches.map(branch => branch.tree);
    if (children.length > 1) return at;
    if (children.length === 0) return { type: 'neg' };
    at = children[0];
  }
}

function showWeight(weight: number): string {
  return weight === 1 ? '' : `${showDecimal(weight)}*`;
}

/** The shortest decimal that parses to `value`, with at least two fraction digits, never in exponent form. */
export function showDecimal(value: number): string {
  const [mantissa, exponent = '0'] = String(value).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const point = whole.length + Number(exponent);
  const digits = (whole + fraction).padStart(whole.length + fraction.length + Math.max(0, 1 - point), '0');
  const before = Math.max(1, point);
  return `${digits.slice(0, before).padEnd(before, '0')}.${digits.slice(before).padEnd(2, '0')}`;
}

export function showDentry(dentry: Dentry): string {
  return `${showPrefix(dentry.prefix)}=>${showTree(dentry.dst)}`;
}

export function showDtab(dtab: Dtab): string {
  return dtab.map(showDentry).join(';');
}
