/** When two states of a tree are the same, so that repetitions can be suppressed. Addresses are not looked at. */
import { type NameTree, sameTree } from '../dtab/name-tree.ts';
import { type Activity, sameActivity } from '../live/activity.ts';
import { type Bound, type Name, sameBound, sameName } from './name.ts';

type Live<T> = Activity<NameTree<T>>;

export const sameNames = (a: Live<Name>, b: Live<Name>): boolean =>
  sameActivity(a, b, (x, y) => sameTree(x, y, sameName));

export const sameBounds = (a: Live<Bound>, b: Live<Bound>): boolean =>
  sameActivity(a, b, (x, y) => sameTree(x, y, sameBound));
