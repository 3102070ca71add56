/**
 * Explains a name: the tree of everything that its path may lead to, and by which rule.
 *
 * Other than binding it follows all alternatives, and an error is a node of the tree. Source: Linkerd 1.x
 * `ConfiguredDtabNamer.delegate` and `DelegateTree.simplified`, restated.
 */
import { filter, firstValueFrom, forkJoin, map, type Observable, of, switchMap, take, throwError, timeout } from 'rxjs';
import { type Dentry, matching } from '../dtab/dtab.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import { type Path, samePath, startsWith } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';
import { type Binding, lookupNamers } from './bind.ts';
import type { Delegation, DelegationNode as Node } from './delegation.ts';
import { ExplanationSize, partOf } from './explanation-size.ts';
import type { Name } from './name.ts';

/** The first known explanation of `path`; rejects with TIMED_OUT where a namer does not answer in time. */
export function delegate(binding: Binding, path: Path, timeoutMs = 2000): Promise<Delegation> {
  const late = () => new LinkerdTcpError('TIMED_OUT', { what: `explaining ${showPath(path)}`, timeout: timeoutMs });
  return firstValueFrom(
    new Explanation(binding)
      .ofPath(path, undefined, 0, 0)
      .pipe(map(simplifyDelegation), timeout({ first: timeoutMs, with: () => throwError(late) })),
  );
}

/** Trees in trees over all rules; what is deeper is left unexplained. */
const maxNesting = 400;

class Explanation {
  readonly #binding: Binding;
  readonly #size = new ExplanationSize();

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** @param dentry the rule that led to `path` */
  ofPath(path: Path, dentry: Dentry | undefined, depth: number, nesting: number): Observable<Delegation> {
    const node = { path, ...(dentry && { dentry }) };
    if (depth > (this.#binding.maxDepth ?? 100) || nesting > maxNesting)
      return of({ ...node, type: 'exception', message: 'Max recursion level reached.' });
    if (!this.#size.addLookup()) return of(this.#tooLarge(node));
    const rules = matching(this.#binding.dtab, path);
    if (rules.length === 0) return this.#byNamers(path, dentry, depth, nesting);
    if (!this.#size.addRules(rules, path)) return of(this.#tooLarge(node));
    return all(rules.map(rule => this.#byRule(rule, path, depth, nesting))).pipe(
      map(children =>
        children.length === 1
          ? { ...node, type: 'delegate', delegate: children[0] }
          : { ...node, type: 'alt', alt: children },
      ),
    );
  }

  #byRule(rule: Dentry, path: Path, depth: number, nesting: number): Observable<Delegation> {
    const rest = path.slice(rule.prefix.length);
    const nodeOf = (tree: NameTree<Path>) => {
      const dentry = partOf(rule, tree);
      return { path, ...(dentry && { dentry }) };
    };
    return this.#ofTree(rule.dst, nodeOf, nesting + 1, (to, inner, { dentry }) =>
      this.ofPath([...to, ...rest], dentry, depth + 1, inner),
    );
  }

  #byNamers(path: Path, dentry: Dentry | undefined, depth: number, nesting: number): Observable<Delegation> {
    const node = { path, ...(dentry && { dentry }) };
    return lookupNamers(this.#binding, path).pipe(
      filter(({ state }) => state !== 'pending'),
      take(1),
      switchMap((state): Observable<Delegation> => {
        if (state.state === 'failed') return of({ ...node, type: 'exception', message: state.error.message });
        if (state.state === 'pending') return of();
        const { value } = state;
        if (value.type === 'neg') {
          const message = withoutNamer(this.#binding, path);
          return of({ ...node, type: 'neg', ...(message && { message }) });
        }
        if (value.type === 'empty' || value.type === 'fail') return of({ ...node, type: value.type });
        if (!this.#size.addTree(value, path, dentry)) return of(this.#tooLarge(node));
        return this.#ofTree<Name>(
          value,
          () => node,
          nesting,
          (name, inner) =>
            name.type === 'bound'
              ? of<Delegation>({ ...node, type: 'leaf', bound: name.bound })
              : this.ofPath(name.path, undefined, depth + 1, inner + 1).pipe(
                  map((child): Delegation => ({ ...node, type: 'delegate', delegate: child })),
                ),
        );
      }),
    );
  }

  #tooLarge(node: Node): Delegation {
    return { ...node, type: 'exception', message: this.#size.error.message };
  }

  /** Alternatives and unions belong to the path that was looked up; what a rule spells out itself has no path. */
  #ofTree<T>(
    tree: NameTree<T>,
    nodeOf: (tree: NameTree<T>) => Node,
    nesting: number,
    ofLeaf: (value: T, nesting: number, node: Node) => Observable<Delegation>,
  ): Observable<Delegation> {
    const node = nodeOf(tree);
    switch (tree.type) {
      case 'leaf':
        return ofLeaf(tree.value, nesting, node);
      case 'alt':
        return all(tree.trees.map(child => this.#ofTree(child, nodeOf, nesting + 1, ofLeaf))).pipe(
          map(alt => ({ ...node, type: 'alt', alt })),
        );
      case 'union':
        return all(tree.branches.map(branch => this.#ofTree(branch.tree, nodeOf, nesting + 1, ofLeaf))).pipe(
          map(trees => ({
            ...node,
            type: 'union',
            union: trees.map((child, i) => ({ weight: tree.branches[i].weight, tree: child })),
          })),
        );
      default:
        return of({ ...node, path: [], type: tree.type });
    }
  }
}

/** Names under `/#` belong to a configured namer. */
function withoutNamer({ namers }: Binding, path: Path): string | undefined {
  if (path[0] !== '#' || namers.some(({ prefix }) => startsWith(path, prefix))) return undefined;
  const known = namers.map(({ prefix }) => showPath(prefix)).join(', ');
  return `no namer is configured for it (configured: ${known || 'none'})`;
}

function all<T>(sources: readonly Observable<T>[]): Observable<readonly T[]> {
  return sources.length === 0 ? of([]) : forkJoin(sources);
}

/** Takes out the steps that tell nothing: one path that only leads to itself, a choice among one. */
function simplifyDelegation(node: Delegation): Delegation {
  switch (node.type) {
    case 'delegate': {
      const child = simplifyDelegation(node.delegate);
      const tells = child.type === 'neg' || child.type === 'fail' || child.type === 'empty';
      if (tells || !samePath(child.path, node.path)) return { ...node, delegate: child };
      const { dentry: _, ...rest } = child;
      return node.dentry ? { ...rest, dentry: node.dentry } : rest;
    }
    case 'alt':
      return simplifyAlt(node, node.alt);
    case 'union': {
      const { union, ...rest } = node;
      if (union.length === 0) return { ...rest, type: 'neg' };
      if (union.length === 1) return simplifyDelegation({ ...rest, type: 'delegate', delegate: union[0].tree });
      return { ...node, union: union.map(({ weight, tree }) => ({ weight, tree: simplifyDelegation(tree) })) };
    }
    case 'transformation':
      return { ...node, tree: simplifyDelegation(node.tree) };
    default:
      return node;
  }
}

function simplifyAlt(node: Delegation & { readonly type: 'alt' }, children: readonly Delegation[]): Delegation {
  const { alt: _, ...rest } = node;
  if (children.length === 0) return { ...rest, type: 'neg' };
  if (children.length === 1) return simplifyDelegation({ ...rest, type: 'delegate', delegate: children[0] });
  const alt = children.flatMap(child => {
    const simple = simplifyDelegation(child);
    return simple.type === 'alt' && samePath(simple.path, node.path) ? simple.alt : [simple];
  });
  return { ...node, alt };
}
