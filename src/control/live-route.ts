/**
 * A destination of a router, followed live: what its name means is published to the workers at each change.
 *
 * The main thread's half; in each worker there is a `Route` of proxy/route.ts, with the pickers. A reload may give it another
 * interpreter: the last good answer of the one before is kept as if it were its own.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Subscription } from 'rxjs';
import { tap } from 'rxjs';
import type { RouteView } from '../admin/proxy/view.ts';
import type { Dtab } from '../dtab/dtab.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import { showPath } from '../dtab/show.ts';
import { LinkerdTcpError } from '../errors.ts';
import { showAddress } from '../io/driver.ts';
import type { Log } from '../log.ts';
import { type Branch, type Destination, destination } from '../naming/destination.ts';
import type { Interpreter } from '../naming/interpreter.ts';
import type { Bound } from '../naming/name.ts';
import type { BranchSpec, ClientPolicy, SharedCount, Target } from '../proxy/messages.ts';
import type { DataPlane } from '../proxy/worker/data-plane.ts';
import { type EndpointStore, RouteEndpoints } from './route-endpoints.ts';
import { inRouter, reportChange } from './route-report.ts';
import { RouteSeries, unresolved } from './route-series.ts';
import { viewOf } from './route-view.ts';
import type { SharedCounts } from './shared-counts.ts';
import type { StateDir } from './state-dir.ts';

export interface RouteSettings {
  readonly router: string;
  readonly dst: Path;
  readonly interpreter: Interpreter;
  /** Changes when, and only when, the naming of the route does: the same key keeps the same watch. */
  readonly namingKey: string;
  readonly dtab: Dtab;
  /** Of what is kept of it in `stateDir`. */
  readonly stateKey: string;
  readonly onNegative: 'keep' | 'fail';
  readonly client: ClientPolicy;
  /** The reason if its configuration allows no connections: then it is negative, whatever it is bound to. */
  readonly problem: string | undefined;
}

export interface RouteSurroundings extends EndpointStore {
  readonly plane: DataPlane;
  readonly counts: SharedCounts;
  readonly log: Log;
  /** Has the host of an address that failed looked up again. */
  readonly nudge?: (ip: string) => void;
  readonly stateDir?: Pick<StateDir, 'fallbackOf' | 'learned'> | undefined;
}

export class LiveRoute {
  readonly id: number;
  readonly router: string;
  readonly dst: string;
  /** Sessions that are not connected yet. */
  readonly #waiters: SharedCount;
  readonly #queued: SharedCount;
  readonly #around: RouteSurroundings;
  /** Says the router with each line. */
  readonly #log: Log;
  #series: RouteSeries;
  /** Of the time before it was bound. Sessions of then may still write to them. */
  #seriesBefore: RouteSeries | undefined;
  #hasOwnSeries: boolean;
  readonly #endpoints: RouteEndpoints;
  #settings: RouteSettings;
  #subscription: Subscription | undefined;
  /** As published. */
  #destination: Destination = { state: 'pending' };
  /** Newer than the published one, for which there was no room. */
  #unpublished: Destination | undefined;
  #tree: NameTree<Bound> | undefined;
  #changedAt: number;
  /** Generation that took the route from the workers; undefined while it is in use. */
  #withdrawnIn: number | undefined;

  /**
   * @param isOnDemand a client has asked for it: see {@link RouteSeries}
   * @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is left of it
   */
  constructor(id: number, settings: RouteSettings, around: RouteSurroundings, isOnDemand = false) {
    const { registry, counts, now, log } = around;
    this.id = id;
    this.router = settings.router;
    this.dst = showPath(settings.dst);
    this.#settings = settings;
    this.#around = around;
    this.#log = inRouter(log, this.router);
    this.#changedAt = now();
    this.#endpoints = new RouteEndpoints(around, { rt: this.router, dst: this.dst });
    this.#series = new RouteSeries(registry, this.router, isOnDemand ? unresolved : this.dst, this.#log);
    this.#hasOwnSeries = !isOnDemand;
    this.#waiters = counts.take();
    this.#queued = counts.take();
    if (this.#hasOwnSeries) this.#expose();
    this.#publish(this.#destination);
    this.#follow();
  }

  /** Settings of a reloaded configuration. */
  adjust(settings: RouteSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    if (settings.namingKey !== before.namingKey) this.#follow();
    const isSame =
      JSON.stringify([settings.client, settings.problem]) === JSON.stringify([before.client, before.problem]);
    if (!isSame) this.#publish(this.#destination);
  }

  get state(): Destination['state'] {
    return this.#destination.state;
  }

  /** Sessions that wait for it or for a connection through it. */
  get waiters(): number {
    return this.#around.counts.read(this.#waiters);
  }

  /** Whether a session waits for it or is connected through it, as far as can be told from spares. */
  get isInUse(): boolean {
    if (this.waiters > 0) return true;
    return this.#endpoints.open() + this.#endpoints.connecting() > this.#settings.client.minConnections;
  }

  /** Connections that were begun; always 0 where spares would be counted, too. */
  get attempts(): number {
    return this.#settings.client.minConnections > 0 || !this.#hasOwnSeries
      ? 0
      : this.#around.registry.read(this.#series.cells.attempts);
  }

  /** Takes the route from the workers. Its metrics and rows go when `sweep` finds that its last session has ended. */
  withdraw(): void {
    this.#subscription?.unsubscribe();
    this.#unpublished = undefined;
    this.#withdrawnIn = this.#around.plane.unroute(this.id);
    this.#endpoints.update(new Map(), this.#withdrawnIn);
  }

  /** Takes a withdrawn route up again, with what it knew of its endpoints. */
  revive(settings: RouteSettings): void {
    this.#withdrawnIn = undefined;
    this.#settings = settings;
    if (!this.#tryPublish(this.#destination)) {
      this.#destination = { state: 'pending' };
      this.#publish(this.#destination);
    }
    this.#follow();
  }

  /** @returns whether nothing is left of a withdrawn route. */
  sweep(acknowledged: number): boolean {
    if (this.#unpublished) this.#learn(this.#unpublished);
    // Waiting and retrying sessions still pick from the last publication of a withdrawn route.
    if (this.#withdrawnIn !== undefined && this.waiters > 0) return false;
    const left = this.#endpoints.sweep(acknowledged);
    if (this.#withdrawnIn === undefined || this.#withdrawnIn > acknowledged || left > 0) return false;
    this.#end();
    return true;
  }

  /** Why an endpoint last failed. */
  noteError(slot: number, at: number, reason: string): void {
    const address = this.#endpoints.noteError(slot, { at, reason });
    // DNS may say by now that its host is elsewhere.
    if (address !== undefined) this.#around.nudge?.(address.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
  }

  view(): RouteView {
    return viewOf({
      router: this.router,
      dst: this.dst,
      destination: this.#destination,
      isWithdrawn: this.#withdrawnIn !== undefined,
      changedAt: this.#changedAt,
      tree: this.#tree,
      members: this.#endpoints.list(),
      store: this.#around,
    });
  }

  /** Metrics of the whole route that are read, not counted. */
  #expose(): void {
    const { now } = this.#around;
    const series = this.#series;
    const endpoints = this.#endpoints;
    series.computed('l5d:balancer:endpoint:available', () => endpoints.count('available'));
    series.computed('l5d:balancer:endpoint:failed', () => endpoints.count('failed', 'probing'));
    series.computed('l5d:balancer:endpoint:retired', () => endpoints.count('retired'));
    series.computed('l5d:balancer:connection:pending', () => endpoints.connecting());
    series.computed('l5d:balancer:connection:open', () => endpoints.open());
    series.computed('l5d:balancer:waiters', () => this.waiters);
    series.computed('l5d:resolver:stale_seconds', () =>
      this.#destination.state === 'bound' && this.#destination.stale
        ? (now() - this.#destination.stale.sinceMs) / 1000
        : 0,
    );
  }

  #follow(): void {
    const { now } = this.#around;
    const { interpreter, dtab, dst, onNegative } = this.#settings;
    const observed: Interpreter = {
      bind: (extra, path) =>
        interpreter.bind(extra, path).pipe(
          tap(activity => {
            if (activity.state === 'ok') this.#tree = activity.value;
          }),
        ),
      delegate: (extra, path) => interpreter.delegate(extra, path),
    };
    const before = this.#subscription;
    const known = this.#unpublished ?? this.#destination;
    const initial = known.state === 'bound' ? known : undefined;
    const fallback = initial === undefined ? this.#around.stateDir?.fallbackOf(this.#settings.stateKey) : undefined;
    const options = { onNegative, now, log: this.#log, initial, fallback };
    this.#subscription = destination(observed, dtab, dst, options).subscribe(next => this.#learn(next));
    before?.unsubscribe();
  }

  #learn(next: Destination): void {
    // After a reload the new interpreter starts with nothing; what was known stays until it knows.
    if (next.state === 'pending' && this.#destination.state !== 'pending') return;
    if (isDeepStrictEqual(next, this.#destination)) {
      this.#unpublished = undefined;
      return;
    }
    const started = performance.now();
    if (!sameTarget(next, this.#destination) && !this.#tryPublish(next)) return;
    reportChange(this.#log, this.dst, this.#destination, next);
    this.#destination = next;
    this.#around.stateDir?.learned(this.#settings.stateKey, next);
    this.#changedAt = this.#around.now();
    this.#around.registry.main.observe(this.#series.pollTime, (performance.now() - started) * 1000);
  }

  /**
   * If shared memory has no room for its endpoints, the last publication stays in effect and `sweep` retries.
   * @returns whether it was published
   */
  #tryPublish(next: Destination): boolean {
    try {
      this.#publish(next);
      this.#unpublished = undefined;
      return true;
    } catch (error) {
      if (!(error instanceof LinkerdTcpError && error.code === 'SHARED_MEMORY_FULL')) throw error;
      if (this.#unpublished === undefined)
        this.#log.error(
          `${this.dst}: not all of its endpoints can be taken, what was known before is kept: ${error.message}. ` +
            'Have the name stand for fewer endpoints, or move other destinations to another proxy',
        );
      this.#unpublished = next;
      return false;
    }
  }

  /** @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is published */
  #publish(state: Destination): void {
    const { plane } = this.#around;
    const { client } = this.#settings;
    if (state.state === 'bound') this.#ownSeries();
    const target = this.#target(state, plane.generation + 1);
    plane.publish({
      id: this.id,
      router: this.router,
      dst: this.dst,
      target,
      client,
      waiters: this.#waiters,
      queued: this.#queued,
      cells: this.#series.cells,
      tlsCells: client.tls && this.#series.tlsCells(this.dst),
    });
  }

  /** Where there is no room for them, it stays with those of unresolved names. */
  #ownSeries(): void {
    if (this.#hasOwnSeries) return;
    try {
      const own = new RouteSeries(this.#around.registry, this.router, this.dst, this.#log);
      this.#seriesBefore = this.#series;
      this.#series = own;
      this.#expose();
    } catch (error) {
      if (!(error instanceof LinkerdTcpError && error.code === 'SHARED_MEMORY_FULL')) throw error;
      this.#log.error(`${this.dst} has no metrics of its own: ${error.message}`);
    }
    this.#hasOwnSeries = true;
  }

  #end(): void {
    const { counts } = this.#around;
    this.#series.end();
    this.#seriesBefore?.end();
    counts.release(this.#waiters);
    counts.release(this.#queued);
  }

  #target(state: Destination, generation: number): Target {
    const { problem } = this.#settings;
    if (problem !== undefined) {
      this.#endpoints.update(new Map(), generation);
      return { state: 'negative', reason: problem };
    }
    if (state.state === 'bound') return { state: 'bound', branches: this.#branches(state.branches, generation) };
    this.#endpoints.update(new Map(), generation);
    if (state.state === 'negative') return { state: 'negative', reason: state.reason };
    // A name that could not be resolved may be at any moment: connections wait for it, up to connectTimeoutMs.
    return state.state === 'failed'
      ? { state: 'pending', reason: this.#shortReason(state.reason) }
      : { state: 'pending' };
  }

  /** The caller adds the name. */
  #shortReason(reason: string): string {
    const prefix = [`${this.dst} cannot be resolved: `, `${this.dst}: `].find(text => reason.startsWith(text)) ?? '';
    return reason.slice(prefix.length);
  }

  #branches(branches: readonly Branch[], generation: number): BranchSpec[] {
    const wanted = new Map(
      branches.flatMap(({ addresses }) => addresses.map(a => [showAddress(a), a.weight] as const)),
    );
    this.#endpoints.update(wanted, generation);
    return branches.map(({ weight, id, addresses }) => ({
      weight,
      id: showPath(id),
      endpoints: addresses.map(({ ip, port, weight: own }) => {
        const key = showAddress({ ip, port });
        return { slot: this.#endpoints.slotOf(key), ip, port, weight: own, cells: this.#endpoints.cellsOf(key) };
      }),
    }));
  }
}

/** Whether workers need not hear of the change: they do not care how old an answer is. */
const sameTarget = (a: Destination, b: Destination): boolean =>
  a.state === 'bound' && b.state === 'bound' && isDeepStrictEqual(a.branches, b.branches);
