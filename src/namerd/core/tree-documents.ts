/**
 * Bound trees as JSON, with their current addresses.
 *
 * Plain callbacks instead of operators: a change of a rule passes here once for each of thousands of watches.
 */
import { Observable, type Subscription } from 'rxjs';
import { leavesOf, type NameTree } from '../../dtab/name-tree.ts';
import { type Activity, failed, ok } from '../../live/activity.ts';
import { AnswerSize } from '../../naming/json/answer-size.ts';
import { type AddrSnapshot, encodeBoundTree } from '../../naming/json/bound-tree.ts';
import type { Bound } from '../../naming/name.ts';
import { settle, treeChanges } from './settled.ts';

/** A document for each change of the tree that changes it. @param waitMs how long it waits for addresses that are not known yet */
export function treeDocuments(
  trees: Observable<Activity<NameTree<Bound>>>,
  waitMs: number,
): Observable<Activity<string>> {
  return new Observable(out => {
    let told: string | undefined;
    const tell = (document: Activity<string>) => {
      if (document.state === 'ok') {
        // A tree that was unknown for a while may be the same again.
        if (document.value === told) return;
        told = document.value;
      }
      out.next(document);
    };
    let forget = nothing;
    out.add(() => forget());
    out.add(
      trees.pipe(treeChanges()).subscribe(state => {
        forget();
        forget = nothing;
        if (state.state === 'ok') forget = documentOf(state.value, waitMs).whenKnown(tell);
        else tell(state);
      }),
    );
  });
}

const nothing = () => {};

/** The documents of the current trees. */
const documents = new Map<NameTree<Bound>, TreeDocument>();

/** One for all observers that get the tree at the same time; a later observer gets later addresses. */
function documentOf(tree: NameTree<Bound>, waitMs: number): TreeDocument {
  const known = documents.get(tree);
  if (known !== undefined) return known;
  if (documents.size === 0) queueMicrotask(() => documents.clear());
  const made = new TreeDocument(tree, waitMs);
  documents.set(tree, made);
  return made;
}

class TreeDocument {
  #known: Activity<string> | undefined;
  readonly #waiting = new Set<(document: Activity<string>) => void>();
  readonly #tree: NameTree<Bound>;
  readonly #making: Subscription;

  constructor(tree: NameTree<Bound>, waitMs: number) {
    this.#tree = tree;
    this.#making = settle(leavesOf(tree), waitMs).subscribe(snapshot => {
      this.#known = documentOfTree(tree, snapshot);
      for (const tell of this.#waiting) tell(this.#known);
    });
  }

  /** @returns a function that cancels the request */
  whenKnown(tell: (document: Activity<string>) => void): () => void {
    if (this.#known !== undefined) {
      tell(this.#known);
      return nothing;
    }
    this.#waiting.add(tell);
    return () => {
      this.#waiting.delete(tell);
      if (this.#waiting.size > 0) return;
      this.#making.unsubscribe();
      documents.delete(this.#tree);
    };
  }
}

function documentOfTree(tree: NameTree<Bound>, snapshot: AddrSnapshot): Activity<string> {
  try {
    return ok(JSON.stringify(encodeBoundTree(tree, snapshot, new AnswerSize('the bound tree'))));
  } catch (error) {
    return failed(error instanceof Error ? error : new Error(String(error)));
  }
}
