/**
 * The objects of one resource and all changes of them: a list in pages, then watches, each from where the last one ended.
 *
 *   listing   → watching   with the list's resourceVersion; the list is reported once the watch is established
 *   watching  → watching   the watch ended as asked (`timeoutSeconds`), or should have: from the last resourceVersion heard of,
 *                          bookmarks included
 *             → listing    410 Gone, as status or as event; nothing was heard of a watch that should have ended; the list is old
 *             → error      anything else. The next subscription begins with a list
 *
 * Watches are short, so that a broken connection is noticed: HTTP/1.1 has no other sign of life for an idle resource. A list
 * corrects what a watch has missed, and shows that a server was restored to an earlier state.
 *
 * Sources: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Retrieving large results sets in chunks",
 * "410 Gone responses".
 */
import { Observable, type Subscriber } from 'rxjs';
import { beforeDeadline } from '../http/deadline.ts';
import { JsonDocuments } from '../http/json-documents.ts';
import type { KubernetesApi } from './api.ts';
import { ApiError } from './api-error.ts';
import { type KubernetesObject, objectOf, revisionOf } from './objects.ts';

export type ListWatchReport =
  /** The next list is no older than this. */
  | { readonly type: 'listing' }
  | { readonly type: 'list'; readonly revision: bigint; readonly items: readonly KubernetesObject[] }
  | { readonly type: 'changed' | 'deleted'; readonly object: KubernetesObject };

export interface ListWatchOptions {
  readonly api: KubernetesApi;
  /** Of the resource, without a query: `/apis/<group>/<version>/namespaces/<namespace>/<plural>`. */
  readonly path: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The approximate duration of a watch. */
  readonly watchSeconds?: number;
  /** How old a list may become: about this old. */
  readonly relistMs?: number;
  /** How long the server may take for a page of a list, or to begin a watch. */
  readonly answerMs?: number;
  readonly pageSize?: number;
}

/** A server that ends a watch when it was asked to does so in this time. */
const graceMs = 1000;
/** A watch that ends sooner would be restarted too often. */
const shortestMs = 500;
const maxPages = 1000;
const maxEventBytes = 16 * 2 ** 20;

export function listWatch(options: ListWatchOptions): Observable<ListWatchReport> {
  return new Observable(subscriber => {
    const stop = new AbortController();
    new ListWatch(options, subscriber, stop.signal).run().catch(error => {
      if (!stop.signal.aborted) subscriber.error(error);
    });
    return () => stop.abort(new Error('no subscribers are left'));
  });
}

class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #subscriber: Subscriber<ListWatchReport>;
  readonly #stop: AbortSignal;
  /** The newest heard of. */
  #resourceVersion = '0';

  constructor(options: ListWatchOptions, subscriber: Subscriber<ListWatchReport>, stop: AbortSignal) {
    this.#options = options;
    this.#subscriber = subscriber;
    this.#stop = stop;
  }

  async run(): Promise<never> {
    const { relistMs = 300_000, random } = this.#options;
    for (;;) {
      this.#subscriber.next({ type: 'listing' });
      let list: ListWatchReport | undefined = await this.#list();
      const listedAt = performance.now();
      // Not told before: a server that gives lists and no watches is one that fails.
      const begun = () => {
        if (list !== undefined) this.#subscriber.next(list);
        list = undefined;
      };
      const relistAt = listedAt + relistMs * (0.8 + 0.4 * random());
      let isCurrent = true;
      while (isCurrent && performance.now() < relistAt) isCurrent = await this.#watch(begun);
      if (!isCurrent && performance.now() - listedAt < shortestMs)
        throw new Error('it has forgotten already what it has just listed (410 Gone)');
    }
  }

  async #list(): Promise<ListWatchReport> {
    const { pageSize = 100 } = this.#options;
    const items: KubernetesObject[] = [];
    let resourceVersion = '';
    let next = '';
    for (let page = 0; page < maxPages; page++) {
      const query = new URLSearchParams({ limit: String(pageSize), ...(next !== '' && { continue: next }) });
      const { metadata, items: more } = await this.#page(query);
      for (const item of more) items.push(objectOf(item, 'an object that it lists'));
      resourceVersion = metadata.resourceVersion;
      next = metadata.continue ?? '';
      if (next === '') {
        this.#resourceVersion = resourceVersion;
        return { type: 'list', revision: revisionOf(resourceVersion), items };
      }
    }
    throw new Error(`its list has more than ${maxPages} pages of ${pageSize}`);
  }

  async #page(query: URLSearchParams) {
    const { api, path, answerMs = 4000 } = this.#options;
    const request = { method: 'GET', path: `${path}?${query}` } as const;
    const list = await beforeDeadline(answerMs, signal => api.call(request, signal), this.#stop);
    const { metadata, items } = (list ?? {}) as {
      metadata?: { resourceVersion?: unknown; continue?: unknown };
      items?: unknown;
    };
    if (typeof metadata?.resourceVersion !== 'string' || !Array.isArray(items))
      throw new Error('its answer is not a list of objects');
    return { metadata: metadata as { resourceVersion: string; continue?: string }, items: items as readonly unknown[] };
  }

  /** @param begun called when the server has started to watch. @returns whether another watch can resume where this one ended */
  async #watch(begun: () => void): Promise<boolean> {
    const { api, path, random, watchSeconds = 8, answerMs = 4000 } = this.#options;
    const seconds = Math.max(1, Math.round(watchSeconds * (0.875 + 0.25 * random())));
    const query = new URLSearchParams({
      watch: '1',
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    });
    const beganAt = performance.now();
    const over = new AbortController();
    const stopped = () => over.abort(this.#stop.reason);
    this.#stop.addEventListener('abort', stopped);
    let isOverdue = false;
    let isHeard = false;
    const timer = setTimeout(
      () => {
        isOverdue = true;
        over.abort(new Error('the watch is over'));
      },
      seconds * 1000 + graceMs,
    );
    try {
      this.#stop.throwIfAborted();
      const documents = new JsonDocuments(maxEventBytes);
      const chunks = await api.stream(`${path}?${query}`, answerMs, over.signal);
      begun();
      for await (const chunk of chunks) {
        isHeard = true;
        documents.push(chunk, event => this.#take(event));
      }
      documents.end();
      if (performance.now() - beganAt < shortestMs) throw new Error('the watch ended as soon as it had begun');
      return true;
    } catch (error) {
      this.#stop.throwIfAborted();
      if (isOverdue) return isHeard;
      if (error instanceof ApiError && error.status === 410) return false;
      throw error;
    } finally {
      clearTimeout(timer);
      this.#stop.removeEventListener('abort', stopped);
      over.abort();
    }
  }

  #take(event: unknown): void {
    const { type, object } = (event ?? {}) as { type?: unknown; object?: unknown };
    if (type === 'ERROR') throw new ApiError(Number((object as { code?: unknown } | null)?.code ?? 500), object);
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK')
      throw new Error(`it sent an event of type ${JSON.stringify(type)}`);
    if (type === 'BOOKMARK') {
      this.#resourceVersion = bookmarkOf(object);
      return;
    }
    const changed = objectOf(object, `the object of an event of type ${type}`);
    revisionOf(changed.metadata.resourceVersion);
    this.#resourceVersion = changed.metadata.resourceVersion;
    this.#subscriber.next({ type: type === 'DELETED' ? 'deleted' : 'changed', object: changed });
  }
}

/** A bookmark has no name. */
function bookmarkOf(object: unknown): string {
  const { metadata } = (object ?? {}) as { metadata?: { resourceVersion?: unknown } };
  const resourceVersion = String(metadata?.resourceVersion);
  revisionOf(resourceVersion);
  return resourceVersion;
}
