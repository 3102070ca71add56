/**
 * A delegation tree as a drawing: each line a path, the dentry that made it, and what became of it.
 *
 * ✓ is where traffic goes, · what stands by, ✗ where a way ends in nothing.
 */
import { showDentry, showPath } from '../dtab/show.ts';
import type { Delegation } from '../naming/delegation.ts';
import type { Bound } from '../naming/name.ts';
import { addressText, snapshotOf } from './address-text.ts';
import { percentsOf } from './percents.ts';
import type { Paint } from './terminal.ts';
import { drawTree, type Twig } from './tree-drawing.ts';

export const drawDelegation = (root: Delegation, paint: Paint): string => drawTree(twigOf(root, true, paint));

/** A branch of a union, and the rule that its union shows already. */
interface Branch {
  readonly share: string;
  readonly shownAbove: string | undefined;
}

/** @param isTaken whether traffic that reaches the parent comes here */
function twigOf(node: Delegation, isTaken: boolean, paint: Paint, branch?: Branch): Twig {
  const path = paint(isTaken ? 'bold' : 'dim', showPath(node.path));
  const shown = node.dentry && shownRule(node.dentry);
  const rule = shown === undefined || shown === branch?.shownAbove ? undefined : paint('dim', `(${shown})`);
  const text = (...parts: readonly (string | undefined)[]) =>
    [branch?.share, ...parts].filter(part => part !== undefined).join('  ');
  const dead = (...parts: readonly (string | undefined)[]) => ({ text: text(...parts), twigs: [] });
  switch (node.type) {
    case 'neg':
      // A literal ~ has no path of its own.
      if (node.path.length === 0) return dead(paint('red', '✗ ~ (nothing)'), rule);
      return dead(path, rule, paint('red', '✗ nothing there'));
    case 'fail':
      return dead(paint('red', '✗ ! (fail: nothing else is tried)'), rule);
    case 'empty':
      return dead(paint('red', '✗ $ (no addresses, and nothing else is tried)'), rule);
    case 'exception':
      return dead(path, rule, paint('red', `✗ ${node.message}`));
    case 'leaf':
      return dead(path, rule, leafText(node.bound, isTaken, showPath(node.path), paint));
    case 'delegate':
      return { text: text(path, rule), twigs: [twigOf(node.delegate, isTaken, paint)] };
    case 'transformation':
      return {
        text: text(path, `${node.name} changes ${showPath(node.bound.id)}`),
        twigs: [twigOf(node.tree, isTaken, paint)],
      };
    case 'alt': {
      const first = node.alt.findIndex(child => !isNothing(child));
      return {
        text: text(path, rule),
        twigs: node.alt.map((child, i) => twigOf(child, isTaken && i === first, paint)),
      };
    }
    case 'union': {
      const percents = percentsOf(node.union.map(({ weight }) => weight));
      return {
        text: text(path, rule),
        twigs: node.union.map(({ weight, tree }, i) =>
          twigOf(tree, isTaken && weight > 0, paint, { share: percents[i], shownAbove: shown }),
        ),
      };
    }
  }
}

const shownRule = (dentry: NonNullable<Delegation['dentry']>): string => showDentry(dentry).replace('=>', ' => ');

function leafText(bound: Bound, isTaken: boolean, path: string, paint: Paint): string {
  const addr = snapshotOf(bound.addr);
  const isUp = addr.state === 'bound' && addr.addresses.length > 0;
  const id = showPath(bound.id);
  const name = (id === path ? '' : `${id} `) + (bound.residual.length === 0 ? '' : `+ ${showPath(bound.residual)} `);
  if (!isUp) return paint('red', `✗ ${name}${addressText(addr)}`);
  return paint(isTaken ? 'green' : 'dim', `${isTaken ? '✓' : '·'} ${name}${addressText(addr)}`);
}

/** Whether the next alternative is tried. */
function isNothing(node: Delegation): boolean {
  switch (node.type) {
    case 'neg':
      return true;
    case 'delegate':
      return isNothing(node.delegate);
    case 'transformation':
      return isNothing(node.tree);
    case 'alt':
      return node.alt.every(isNothing);
    case 'union':
      return node.union.every(({ tree }) => isNothing(tree));
    default:
      return false;
  }
}
