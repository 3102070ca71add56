/** Delegation trees: how a name was, or was not, found. Source: Linkerd 1.x `DelegateTree`, restated. */
import type { Dentry } from '../dtab/dtab.ts';
import type { Path } from '../dtab/path.ts';
import type { Bound } from './name.ts';

/** `dentry` is the rule that made this node's path from its parent; absent at the root. */
export interface DelegationNode {
  readonly path: Path;
  readonly dentry?: Dentry;
}

export type Delegation =
  | (DelegationNode & { readonly type: 'exception'; readonly message: string })
  | (DelegationNode & { readonly type: 'empty' | 'fail' })
  /** `message`: why there is nothing, where that is not only that the name is unknown. */
  | (DelegationNode & { readonly type: 'neg'; readonly message?: string })
  | (DelegationNode & { readonly type: 'delegate'; readonly delegate: Delegation })
  | (DelegationNode & { readonly type: 'leaf'; readonly bound: Bound })
  | (DelegationNode & { readonly type: 'alt'; readonly alt: readonly Delegation[] })
  | (DelegationNode & {
      readonly type: 'union';
      readonly union: readonly { readonly weight: number; readonly tree: Delegation }[];
    })
  | (DelegationNode & {
      readonly type: 'transformation';
      readonly name: string;
      readonly bound: Bound;
      readonly tree: Delegation;
    });
