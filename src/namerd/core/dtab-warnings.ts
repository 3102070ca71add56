/**
 * Warnings about a valid dtab: rules that never apply, rules that lead back to themselves, namers that do not
 * exist. Only what is certain is reported, whatever the names will be.
 *
 * Bounded, since a dry run needs only the right to read: the report has at most `maxWarnings` warnings of a few hundred
 * characters, the analysis visits at most `maxVisits` prefixes (wildcards can make it quadratic), and runs in slices.
 */
import type { Dentry, Dtab, Prefix } from '../../dtab/dtab.ts';
import { simplify } from '../../dtab/evaluate.ts';
import { leavesOf, type NameTree } from '../../dtab/name-tree.ts';
import type { Path } from '../../dtab/path.ts';
import { PrefixIndex } from '../../dtab/prefix-index.ts';
import { showDentry, showPath } from '../../dtab/show.ts';
import { builtinClasses } from '../../naming/builtin/builtin.ts';
import { rulesInLoops } from './dtab-loops.ts';
import { atOnce, type Sliced } from './sliced.ts';

export interface DtabWarning {
  readonly kind: 'shadowed' | 'loop' | 'unknown-namer';
  /** Index of the rule, from 0. */
  readonly dentry: number;
  readonly message: string;
}

export interface DtabReport {
  /** Of the first rules first. */
  readonly warnings: readonly DtabWarning[];
  /** Warnings beyond the limit. */
  readonly omitted: number;
  /** The dtab is too intricate to be analysed whole. */
  readonly isPartial: boolean;
}

export interface DtabReportLimits {
  readonly maxWarnings: number;
  readonly maxVisits: number;
}

const defaults: DtabReportLimits = { maxWarnings: 100, maxVisits: 2_000_000 };
const maxRuleShown = 200;
const maxLoopShown = 10;

/** @param namerPrefixes of the configured namers: `['#', 'io.l5d.fs']` */
export function dtabWarnings(dtab: Dtab, namerPrefixes: readonly Path[]): readonly DtabWarning[] {
  return atOnce(dtabReport(dtab, namerPrefixes)).warnings;
}

export function* dtabReport(
  dtab: Dtab,
  namerPrefixes: readonly Path[],
  { maxWarnings, maxVisits }: DtabReportLimits = defaults,
): Sliced<DtabReport> {
  const warnings: DtabWarning[] = [];
  let found = 0;
  let isPartial = false;
  for (const search of [shadowed(dtab), loops(dtab, maxVisits), unknownNamers(dtab, namerPrefixes)]) {
    let ofThisKind = 0;
    for (const step of search) {
      if (typeof step === 'object') {
        found++;
        if (++ofThisKind <= maxWarnings) warnings.push({ ...step, message: step.message() });
      } else if (step > maxVisits) {
        isPartial = true;
        break;
      }
      yield;
    }
  }
  warnings.sort((a, b) => a.dentry - b.dentry);
  return {
    warnings: warnings.slice(0, maxWarnings),
    omitted: found - Math.min(warnings.length, maxWarnings),
    isPartial,
  };
}

/** Its message is made only if it is reported: a long rule may shadow all others. */
type Finding = Omit<DtabWarning, 'message'> & { readonly message: () => string };

/** Yields a finding, or the number of prefixes visited so far. */
type Search = Generator<Finding | number, void>;

/** A rule never applies when a later one matches all of its names and is never Neg. */
function* shadowed(dtab: Dtab): Search {
  const finals = new PrefixIndex();
  for (const [i, { prefix, dst }] of dtab.entries()) {
    if (isFinal(simplify(dst))) finals.add(prefix, i);
    yield finals.visited;
  }
  for (const [i, { prefix }] of dtab.entries()) {
    const last = finals.covering(prefix).reduce((latest, { rules }) => Math.max(latest, rules.at(-1)!), -1);
    yield finals.visited;
    if (last <= i) continue;
    const message = () => `never applies: ${shown(dtab[last])} comes later and takes every name it could`;
    yield { kind: 'shadowed', dentry: i, message };
  }
}

/** Whether the alternatives after it are never tried. */
function isFinal(tree: NameTree<Path>): boolean {
  switch (tree.type) {
    case 'fail':
    case 'empty':
      return true;
    case 'leaf':
      return tree.value[0] === '$' && ['nil', 'fail'].includes(tree.value[1]);
    case 'alt':
      return tree.trees.some(isFinal);
    default:
      return false;
  }
}

function* loops(dtab: Dtab, maxVisits: number): Search {
  for (const step of rulesInLoops(dtab, maxVisits)) {
    if (typeof step === 'number') yield step;
    else yield { kind: 'loop', dentry: step[0], message: () => `leads back to itself: ${shownLoop(dtab, step)}` };
  }
}

function shownLoop(dtab: Dtab, loop: readonly number[]): string {
  const rules = loop.slice(0, maxLoopShown).map(i => shown(dtab[i]));
  const more = loop.length - rules.length;
  return [...rules, ...(more > 0 ? [`… (${more} more)`] : [])].join(' → ');
}

function* unknownNamers(dtab: Dtab, namerPrefixes: readonly Path[]): Search {
  const rules = new PrefixIndex();
  for (const [i, { prefix }] of dtab.entries()) {
    rules.add(prefix, i);
    yield 0;
  }
  for (const [i, { dst }] of dtab.entries())
    for (const path of leavesOf(dst)) {
      yield rules.visited;
      const missing = missingNamer(path, namerPrefixes);
      if (missing === undefined || rules.mayMatch(path)) continue;
      yield { kind: 'unknown-namer', dentry: i, message: () => `${excerpt(showPath(path))}: ${missing}` };
    }
}

function missingNamer(path: Path, namerPrefixes: readonly Path[]): string | undefined {
  if (path[0] === '#' && !namerPrefixes.some(prefix => fits(prefix, path)))
    return `no namer has that prefix; there are ${excerpt(namerPrefixes.map(showPath).join(' ') || 'none')}`;
  if (path[0] === '$' && path.length > 1 && !builtinClasses().includes(path[1])) return 'no such namer is built in';
  return undefined;
}

/** Whether `path`, with whatever follows it, may start with `prefix`. */
function fits(prefix: Prefix, path: Path): boolean {
  return prefix.every((label, i) => label === null || i >= path.length || label === path[i]);
}

const shown = (rule: Dentry): string => excerpt(showDentry(rule));

const excerpt = (text: string): string => (text.length <= maxRuleShown ? text : `${text.slice(0, maxRuleShown)}…`);
