/**
 * A delegation tree as a drawing: each line a path, the rule that made it, and the result.
 *
 * ✓ receives traffic, · is a fallback that receives none now, ⚠ receives traffic and has no address for it, ✗ resolves to nothing,
 * ↻ leads back to a path above it.
 */
import { showDentry, showPath } from '../dtab/show.ts';
import type { Delegation } from '../naming/delegation.ts';
import type { Bound } from '../naming/name.ts';
import { addressText, snapshotOf } from './address-text.ts';
import { percentsOf } from './percents.ts';
import type { Paint } from './terminal.ts';
import { drawTree, type Twig } from './tree-drawing.ts';

export const drawDelegation = (root: Delegation, paint: Paint): string => drawTree(twigOf(root, true, paint, []));

/** Whether some way leads back to where it came from: namerd then refuses to bind the name. */
export function hasLoop(node: Delegation, above: readonly string[] = []): boolean {
  if (isBack(node, above) || isTooDeep(node)) return true;
  const below = [...above, showPath(node.path)];
  return childrenOf(node).some(child => hasLoop(child, below));
}

const leadsBack = (node: Delegation, above: readonly string[]): boolean =>
  isBack(node, above) || childrenOf(node).some(child => leadsBack(child, [...above, showPath(node.path)]));

/** Alternatives and unions are nodes of their own with the path of their parent, which is no way back. */
function isBack(node: Delegation, above: readonly string[]): boolean {
  if (node.path.length === 0 || !expands(node)) return false;
  const path = showPath(node.path);
  return above.includes(path) && (above.at(-1) !== path || node.type === 'delegate');
}

/** How namerd answers names that get longer with every rule. */
const isTooDeep = (node: Delegation): boolean => node.type === 'exception' && /recursion/i.test(node.message);

const expands = ({ type }: Delegation): boolean => type === 'delegate' || type === 'alt' || type === 'union';

function childrenOf(node: Delegation): readonly Delegation[] {
  switch (node.type) {
    case 'delegate':
      return [node.delegate];
    case 'transformation':
      return [node.tree];
    case 'alt':
      return node.alt;
    case 'union':
      return node.union.map(({ tree }) => tree);
    default:
      return [];
  }
}

/** Steps that each have one next step are shown up to this many; of more, the first and the last. */
const longestChain = 12;
const shownSteps = 5;

/** The last of the steps that follow one another without a choice, and how many there are. */
function endOfChain(node: Delegation): { readonly last: Delegation; readonly length: number } {
  let [last, length] = [node, 0];
  for (; last.type === 'delegate'; length++) last = last.delegate;
  return { last, length };
}

/** A branch of a union, and the rule that its union shows already. */
interface Branch {
  readonly share: string;
  readonly shownAbove: string | undefined;
}

/** @param isTaken whether traffic that reaches the parent comes here */
function twigOf(node: Delegation, isTaken: boolean, paint: Paint, above: readonly string[], branch?: Branch): Twig {
  const path = paint(isTaken ? 'bold' : 'dim', showPath(node.path));
  const shown = node.dentry && shownRule(node.dentry);
  const rule = shown === undefined || shown === branch?.shownAbove ? undefined : paint('dim', `(${shown})`);
  const text = (...parts: readonly (string | undefined)[]) =>
    [branch?.share, ...parts].filter(part => part !== undefined).join('  ');
  const dead = (...parts: readonly (string | undefined)[]) => ({ text: text(...parts), twigs: [] });
  const below = [...above, showPath(node.path)];
  if (isBack(node, above)) {
    const target = above[0] === showPath(node.path) ? 'the start' : `${showPath(node.path)} above`;
    return dead(paint('red', `↻ ${showPath(node.path)}`), rule, `leads back to ${target}: the name can never resolve`);
  }
  switch (node.type) {
    case 'neg':
      // A literal ~ has no path of its own.
      if (node.path.length === 0) return dead(paint('red', '✗ ~ (nothing)'), rule);
      return dead(path, rule, paint('red', `✗ ${node.message ?? 'nothing there'}`));
    case 'fail':
      return dead(paint('red', '✗ ! (fail: nothing else is tried)'), rule);
    case 'empty':
      return dead(paint('red', '✗ $ (no addresses, and nothing else is tried)'), rule);
    case 'exception':
      return dead(path, rule, paint('red', `✗ ${node.message}`));
    case 'leaf':
      return dead(path, rule, leafText(node.bound, isTaken, showPath(node.path), paint));
    case 'delegate':
      return { text: text(path, rule), twigs: [nextStep(node.delegate, isTaken, paint, below)] };
    case 'transformation':
      return {
        text: text(path, `${node.name} changes ${showPath(node.bound.id)}`),
        twigs: [twigOf(node.tree, isTaken, paint, below)],
      };
    case 'alt': {
      const first = node.alt.findIndex(child => !isNothing(child));
      return {
        text: text(path, rule),
        twigs: node.alt.map((child, i) => twigOf(child, isTaken && i === first, paint, below)),
      };
    }
    case 'union': {
      const percents = percentsOf(node.union.map(({ weight }) => weight));
      return {
        text: text(path, rule),
        twigs: node.union.map(({ weight, tree }, i) =>
          twigOf(tree, isTaken && weight > 0, paint, below, { share: percents[i], shownAbove: shown }),
        ),
      };
    }
  }
}

/** A long way without a choice is shortened: a rule that leads deeper and deeper has a hundred steps. */
function nextStep(node: Delegation, isTaken: boolean, paint: Paint, above: readonly string[]): Twig {
  const { last, length } = endOfChain(node);
  if (above.length !== shownSteps || length <= longestChain - shownSteps || leadsBack(node, above))
    return twigOf(node, isTaken, paint, above);
  const more = paint('dim', `… ${length} more steps`);
  if (isTooDeep(last)) return { text: `${more}  ${paint('red', '✗ the name gets longer with every step')}`, twigs: [] };
  return { text: more, twigs: [twigOf(last, isTaken, paint, [])] };
}

const shownRule = (dentry: NonNullable<Delegation['dentry']>): string => showDentry(dentry).replace('=>', ' => ');

function leafText(bound: Bound, isTaken: boolean, path: string, paint: Paint): string {
  const addr = snapshotOf(bound.addr);
  const isUp = addr.state === 'bound' && addr.addresses.length > 0;
  const id = showPath(bound.id);
  const name = (id === path ? '' : `${id} `) + (bound.residual.length === 0 ? '' : `+ ${showPath(bound.residual)} `);
  if (addr.state === 'bound' && !isUp && isTaken)
    return paint('yellow', `⚠ ${name}no addresses: these connections fail`);
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
