/**
 * Dtabs as custom resources in one namespace of Kubernetes: the protocol under the store `io.l5d.k8s`.
 *
 * An object is read, changed and replaced, under the condition that it is still the one that was read: what others keep in it
 * stays, and the rights are those that Linkerd 1.x's Namerd needed. A deletion names the version it deletes, so that what came
 * before it and what comes after are known without another question.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { catchError, map, type Observable } from 'rxjs';
import { beforeDeadline } from '../../clients/http/deadline.ts';
import type { ApiRequest, KubernetesApi } from '../../clients/kubernetes/api.ts';
import { ApiError } from '../../clients/kubernetes/api-error.ts';
import { type ListWatchOptions, type ListWatchReport, listWatch } from '../../clients/kubernetes/list-watch.ts';
import { type KubernetesObject, objectOf, revisionOf } from '../../clients/kubernetes/objects.ts';
import { outcomeOf, RequestFailure } from '../../clients/outcome.ts';
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { type Backend, type Report, uncertainHint, type Written } from '../backend.ts';
import type { KeyState } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { collectionPath, isGone, keyStateOf, nameProblem, newObject, resource, versionOf, withDtab } from './dtab.ts';

export interface KubernetesBackendOptions
  extends Pick<ListWatchOptions, 'random' | 'watchSeconds' | 'relistMs' | 'answerMs'> {
  readonly api: KubernetesApi;
  /** Of Kubernetes. */
  readonly namespace: string;
  /** What messages call the store. */
  readonly store: string;
  /** Less than whoever asks for a write waits. */
  readonly writeMs?: number;
}

/** Of writers that race each round has a winner: more rounds than there can be writers. */
const mostTries = 50;
const longestPauseMs = 100;
const resourceName = `${resource.plural}.${resource.group}`;

/** etcd behind the API server stores 1.5 MiB; the object has its metadata beside the dtab, and JSON takes more than the text. */
const maxTextBytes = 1_000_000;
/** After a restart an API server knows no roles until its caches are filled, and answers 403 to everything. */
const warmUpMs = 15_000;

export class KubernetesBackend implements Backend {
  readonly maxTextBytes = maxTextBytes;
  readonly #options: KubernetesBackendOptions;
  readonly #collection: string;
  readonly #closed = new AbortController();
  /** When the server was last found unreachable, by performance.now(). */
  #unreachableAt = Number.NEGATIVE_INFINITY;

  constructor(options: KubernetesBackendOptions) {
    this.#options = options;
    this.#collection = collectionPath(options.namespace);
  }

  watch(): Observable<Report> {
    return listWatch({ ...this.#options, path: this.#collection }).pipe(
      map(report => this.#reported(report)),
      catchError(error => {
        throw this.#explained(error, 'watch its namespaces', 'retrying');
      }),
    );
  }

  namespaceProblem(namespace: string): string | undefined {
    return nameProblem(namespace);
  }

  create(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, async signal => {
      try {
        return await this.#add(namespace, dtab, signal);
      } catch (error) {
        throw isRefusal(error, 'AlreadyExists') ? this.#error('STORE_EXISTS', namespace) : error;
      }
    });
  }

  update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written> {
    return this.#write(namespace, async signal => {
      if (version === undefined)
        return this.#untilNoRace(signal, async () =>
          this.#replace(await this.#present(namespace, signal), dtab, signal),
        );
      const present = await this.#present(namespace, signal);
      if (Buffer.compare(versionOf(present), version) !== 0) throw this.#error('STORE_CONFLICT', namespace);
      try {
        return await this.#replace(present, dtab, signal);
      } catch (error) {
        if (isRefusal(error, 'Conflict')) throw this.#error('STORE_CONFLICT', namespace);
        throw isMissing(error) ? this.#error('STORE_MISSING', namespace) : error;
      }
    });
  }

  put(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, signal =>
      this.#untilNoRace(signal, async () => {
        const present = await this.#read(namespace, signal);
        if (present === undefined) return this.#add(namespace, dtab, signal);
        if (isGone(present)) throw this.#beingDeleted(namespace);
        return this.#replace(present, dtab, signal);
      }),
    );
  }

  delete(namespace: string, version?: Version): Promise<KeyState> {
    return this.#write(namespace, async signal => {
      if (version === undefined)
        return this.#untilNoRace(signal, async () => {
          const present = await this.#present(namespace, signal);
          return this.#remove(namespace, present.metadata.resourceVersion, signal);
        });
      try {
        return await this.#remove(namespace, Buffer.from(version).toString('latin1'), signal);
      } catch (error) {
        if (isRefusal(error, 'Conflict')) throw this.#error('STORE_CONFLICT', namespace);
        throw isMissing(error) ? this.#error('STORE_MISSING', namespace) : error;
      }
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('it is closed'));
    await this.#options.api.close();
  }

  #reported(report: ListWatchReport): Report {
    const { store } = this.#options;
    if (report.type === 'listing') return { type: 'snapshotRequested' };
    if (report.type === 'list') {
      const { revision, items } = report;
      const keyStates = items.filter(item => !isGone(item)).map(item => keyStateOf(store, item));
      return { type: 'snapshot', snapshot: { revision, keyStates } };
    }
    const keyState = keyStateOf(store, report.object);
    return { type: 'changed', keyState: report.type === 'deleted' ? { ...keyState, stored: null } : keyState };
  }

  async #read(namespace: string, signal: AbortSignal): Promise<KubernetesObject | undefined> {
    try {
      return objectOf(await this.#call({ method: 'GET', path: this.#path(namespace) }, signal), 'its answer');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #present(namespace: string, signal: AbortSignal): Promise<KubernetesObject> {
    const present = await this.#read(namespace, signal);
    if (present === undefined || isGone(present)) throw this.#error('STORE_MISSING', namespace);
    return present;
  }

  async #add(namespace: string, dtab: Dtab, signal: AbortSignal): Promise<Written> {
    const body = newObject(namespace, dtab);
    try {
      return this.#written(await this.#call({ method: 'POST', path: this.#collection, body }, signal));
    } catch (error) {
      if (isRefusal(error, 'AlreadyExists') && error.message.includes('object is being deleted'))
        throw this.#beingDeleted(namespace);
      throw error;
    }
  }

  async #replace(present: KubernetesObject, dtab: Dtab, signal: AbortSignal): Promise<Written> {
    const path = this.#path(present.metadata.name);
    return this.#written(await this.#call({ method: 'PUT', path, body: withDtab(present, dtab) }, signal));
  }

  /** Only if it is at that version still: so it was gone before whatever is made of that name later. */
  async #remove(namespace: string, resourceVersion: string, signal: AbortSignal): Promise<KeyState> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { resourceVersion } };
    await this.#call({ method: 'DELETE', path: this.#path(namespace), body }, signal);
    return { namespace, revision: revisionOf(resourceVersion) + 1n, stored: null };
  }

  #written(answer: unknown): Written {
    const keyState = keyStateOf(this.#options.store, objectOf(answer, 'its answer'));
    if (keyState.stored === null) throw this.#beingDeleted(keyState.namespace);
    if (keyState.stored.dtab instanceof Error)
      throw new LinkerdTcpError('STORE_UNAVAILABLE', {
        store: this.#options.store,
        action: `keep namespace ${keyState.namespace} as it was written`,
        reason: `the definition of ${resourceName} does not have its fields (${keyState.stored.dtab.message})`,
        hint: definitionHint,
      });
    return { ...keyState, stored: keyState.stored };
  }

  /** Whoever changed it in between is followed; there is an end to it. */
  async #untilNoRace<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        const isRace = isRefusal(error, 'Conflict') || isRefusal(error, 'AlreadyExists') || isMissing(error);
        if (!isRace) throw error;
        if (tries === mostTries)
          throw new RequestFailure(`gave up after ${tries} attempts: other clients keep changing the object`, 'none', {
            cause: error,
          });
      }
      const pauseMs = this.#options.random() * Math.min(longestPauseMs, 2 ** tries);
      await delay(pauseMs, undefined, { signal }).catch(() => {
        throw new RequestFailure(reasonOf(signal.reason), 'none');
      });
    }
  }

  async #write<T>(namespace: string, use: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await beforeDeadline(this.#options.writeMs ?? 4500, use, this.#closed.signal);
    } catch (error) {
      const hint = isDoubtful(error) ? uncertainHint : 'reads go on; try again once writes work';
      throw this.#rejected(error, namespace) ?? this.#explained(error, `write namespace ${namespace}`, hint);
    }
  }

  #call(request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    return this.#options.api.call(request, signal);
  }

  #path(namespace: string): string {
    return `${this.#collection}/${namespace}`;
  }

  #error(code: 'STORE_EXISTS' | 'STORE_MISSING' | 'STORE_CONFLICT', namespace: string): LinkerdTcpError {
    return new LinkerdTcpError(code, { namespace, store: this.#options.store });
  }

  #beingDeleted(namespace: string): LinkerdTcpError {
    return new LinkerdTcpError('STORE_UNAVAILABLE', {
      store: this.#options.store,
      action: `write namespace ${namespace}`,
      reason: 'it was deleted, and Kubernetes keeps the object until its finalizers are done',
      hint: 'try again after that',
    });
  }

  /** What would be refused again and again; undefined for anything else. */
  #rejected(error: unknown, namespace: string): LinkerdTcpError | undefined {
    if (!(error instanceof ApiError)) return undefined;
    const details = { store: this.#options.store, namespace, reason: error.message };
    if (error.status === 413 || /request is too large|too large: limit is/i.test(error.message))
      return new LinkerdTcpError('STORE_TOO_LARGE', details, { cause: error });
    if (error.status === 400 || error.status === 422)
      return new LinkerdTcpError('STORE_REJECTED', details, { cause: error });
    return undefined;
  }

  #explained(error: unknown, action: string, hint: string): unknown {
    const { store, namespace } = this.#options;
    const unavailable = (reason: string, nextStep: string) =>
      new LinkerdTcpError('STORE_UNAVAILABLE', { store, action, reason, hint: nextStep }, { cause: error });
    if (error instanceof LinkerdTcpError) return error;
    if (!(error instanceof ApiError)) {
      this.#unreachableAt = performance.now();
      return unavailable(reasonOf(error), hint);
    }
    if (error.status === 403 && performance.now() - this.#unreachableAt < warmUpMs)
      return unavailable(`${error.message}; the API server has just come back and may not know its roles yet`, hint);
    if (error.status === 401 || error.status === 403) {
      const reason = `${error.message}${error.status === 401 ? ': it rejects the credentials' : roleHint(error, namespace)}`;
      return new LinkerdTcpError('STORE_FORBIDDEN', { store, action, reason }, { cause: error });
    }
    if (error.status === 404 && error.details.kind === 'namespaces')
      return unavailable(
        `there is no namespace ${namespace} in Kubernetes`,
        `run: kubectl create namespace ${namespace}`,
      );
    if (error.status === 404) return unavailable(`the resource ${resourceName} is not defined`, definitionHint);
    return unavailable(error.message, hint);
  }
}

const isDoubtful = (error: unknown): boolean => !(error instanceof LinkerdTcpError) && outcomeOf(error) === 'unknown';

const definitionHint = 'define it: kubectl apply -f examples/kubernetes/dtab-crd.yml';

/** Only where a rule is missing: admission and namespaces that are being terminated are told by 403, too. */
const roleHint = ({ message }: ApiError, namespace: string): string =>
  / cannot [a-z]+ resource /.test(message) ? `; ${roleNeeded(namespace)}` : '';

const roleNeeded = (namespace: string): string =>
  `a Role in namespace ${namespace} must have the rule {apiGroups: [${resource.group}], resources: [${resource.plural}], ` +
  'verbs: [get, list, watch, create, update, delete]}';

const isRefusal = (error: unknown, reason: 'AlreadyExists' | 'Conflict'): error is ApiError =>
  error instanceof ApiError && error.status === 409 && error.reason === reason;

/** The object is, and not the resource as a whole. */
const isMissing = (error: unknown): boolean =>
  error instanceof ApiError && error.status === 404 && error.details.kind === resource.plural;
