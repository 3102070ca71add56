/** Why a name means nothing: the ends of its delegation tree, in the words of an operator. */
import { showPath } from '../dtab/show.ts';
import type { Delegation } from './delegation.ts';

/** More would not be read. */
const shown = 8;

/** One phrase for each way the name was followed to nowhere; empty where there is no such way. */
export function deadEnds(delegation: Delegation): readonly string[] {
  const ends = [...new Set(endsOf(delegation))];
  return ends.length <= shown ? ends : [...ends.slice(0, shown), `and ${ends.length - shown} more`];
}

function endsOf(node: Delegation): readonly string[] {
  switch (node.type) {
    case 'neg':
      // A literal `~` has no path of its own.
      if (node.path.length === 0) return ['a rule says ~ (nothing)'];
      return [`nothing at ${showPath(node.path)}${node.message === undefined ? '' : `: ${node.message}`}`];
    case 'fail':
      return ['a rule says ! (fail)'];
    case 'empty':
      return ['a rule says $ (empty)'];
    case 'exception':
      return [`${showPath(node.path)}: ${node.message}`];
    case 'delegate':
      return endsOf(node.delegate);
    case 'transformation':
      return endsOf(node.tree);
    case 'alt':
      return node.alt.flatMap(endsOf);
    case 'union':
      return node.union.flatMap(({ tree }) => endsOf(tree));
    case 'leaf':
      return [];
  }
}
