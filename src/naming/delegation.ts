/** Delegation trees: how a name was, or was not, found. Source: Linkerd 1.x `DelegateTree`, restated. */
import type { Dentry } from '../dtab/dtab.ts';
import type { Path } from '../dtab/path.ts';
import type { Bound } from './name.ts';

/** `dentry` is the rule that made this node's path from its parent; absent at the root. */
interface Node {
  readonly path: Path;
  readonly dentry?: Dentry;
}

export type Delegation =
  | (Node & { readonly type: 'exception'; readonly message: string })
  | (Node & { readonly type: 'empty' | 'fail' | 'neg' })
  | (Node & { readonly type: 'delegate'; readonly delegate: Delegation })
  | (Node & { readonly type: 'leaf'; readonly bound: Bound })
  | (Node & { readonly type: 'alt'; readonly alt: readonly Delegation[] })
  | (Node & {
      readonly type: 'union';
      readonly union: readonly { readonly weight: number; readonly tree: Delegation }[];
    })
  | (Node & {
      readonly type: 'transformation';
      readonly name: string;
      readonly bound: Bound;
      readonly tree: Delegation;
    });
