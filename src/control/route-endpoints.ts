/**
 * The endpoints of one route: their rows in shared memory, their metrics, their life.
 *
 * An endpoint that is removed from the route is retired: its sessions continue, and its row is released when its load is 0 and every
 * worker has stopped picking it. If it returns before that, it keeps its row and its health.
 */
import type { EndpointTable } from '../balancer/endpoint-table.ts';
import { standing } from '../balancer/health.ts';
import { dropIdle, type Member, type Members, updateMembers } from '../balancer/lifecycle.ts';
import type { SlotAllocator } from '../balancer/slots.ts';
import { type EndpointState, endpointStates } from '../metrics/families.ts';
import { endScope, type Releasable } from '../metrics/join-scopes.ts';
import type { Registry, Scope } from '../metrics/registry.ts';
import type { EndpointCells } from '../proxy/messages.ts';
import { endpointCells } from '../proxy/series.ts';

export interface EndpointStore {
  readonly table: EndpointTable;
  readonly slots: SlotAllocator;
  readonly registry: Registry;
  readonly now: () => number;
}

interface Series {
  readonly scope: Releasable;
  readonly cells: EndpointCells;
  weight: number;
  /** In ms of the drivers' clock. */
  readonly addedAt: number;
  lastError: LastError | undefined;
}

export interface LastError {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly reason: string;
}

/** A member as operators see it. */
export interface ShownMember extends Member {
  readonly state: EndpointState;
  /** Since when it is in or out of rotation, in ms of the drivers' clock. */
  readonly since: number;
  readonly lastError: LastError | undefined;
}

export class RouteEndpoints {
  readonly #store: EndpointStore;
  readonly #labels: { readonly rt: string; readonly dst: string };
  #members: Members = new Map();
  readonly #series = new Map<string, Series>();

  constructor(store: EndpointStore, labels: { rt: string; dst: string }) {
    this.#store = store;
    this.#labels = labels;
  }

  /**
   * @param wanted weight by `ip:port`
   * @param generation of the publication that will carry the change
   * @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing has changed
   */
  update(wanted: ReadonlyMap<string, number>, generation: number): void {
    const { members, added } = updateMembers(this.#members, wanted, generation, this.#store.slots);
    try {
      for (const { key, slot } of added) {
        this.#store.table.reset(slot);
        this.#register(key, slot);
      }
    } catch (error) {
      for (const member of added) this.#forget(member);
      throw error;
    }
    this.#members = members;
    for (const [key, weight] of wanted) (this.#series.get(key) as Series).weight = weight;
  }

  slotOf(key: string): number {
    return (this.#members.get(key) as Member).slot;
  }

  cellsOf(key: string): EndpointCells {
    return (this.#series.get(key) as Series).cells;
  }

  /** Releases unused endpoints. @returns the number of remaining ones, retired ones included */
  sweep(acknowledged: number): number {
    const { table } = this.#store;
    const { members, dropped } = dropIdle(this.#members, acknowledged, slot => table.load(slot));
    this.#members = members;
    for (const member of dropped) this.#forget(member);
    return members.size;
  }

  *list(): Iterable<ShownMember> {
    for (const member of this.#members.values()) {
      const lastError = this.#series.get(member.key)?.lastError;
      yield { ...member, state: this.#stateOf(member), since: this.#since(member), lastError };
    }
  }

  /** @returns the address of the endpoint; undefined if it was removed */
  noteError(slot: number, error: LastError): string | undefined {
    const member = this.#members.values().find(each => each.slot === slot);
    const series = member && this.#series.get(member.key);
    if (series) series.lastError = error;
    return member?.key;
  }

  #since({ key, slot }: Member): number {
    return Math.max(this.#store.table.changedAt(slot), this.#series.get(key)?.addedAt ?? 0);
  }

  count(...states: readonly EndpointState[]): number {
    let n = 0;
    for (const { state } of this.list()) if (states.includes(state)) n++;
    return n;
  }

  open(): number {
    return this.#sum(slot => this.#store.table.open(slot));
  }

  connecting(): number {
    return this.#sum(slot => this.#store.table.connecting(slot));
  }

  #sum(read: (slot: number) => number): number {
    let sum = 0;
    for (const { slot } of this.#members.values()) sum += read(slot);
    return sum;
  }

  #stateOf({ slot, retiredIn }: Member): EndpointState {
    if (retiredIn !== undefined) return 'retired';
    const { table, now } = this.#store;
    const state = standing(table, slot, now());
    // Due: the penalty is over, the probe has not been sent yet. To an operator it is still out of rotation.
    return state === 'due' ? 'failed' : state;
  }

  /** Releases the row and the series. */
  #forget({ key, slot }: Member): void {
    const series = this.#series.get(key);
    this.#series.delete(key);
    if (series) endScope(series.scope);
    this.#store.slots.free(slot);
  }

  #register(endpoint: string, slot: number): void {
    const { registry, table } = this.#store;
    const scope = registry.scope({ ...this.#labels, endpoint });
    const series: Series = {
      scope,
      weight: 1,
      cells: registerCells(scope),
      addedAt: this.#store.now(),
      lastError: undefined,
    };
    scope.computed('l5d:balancer:endpoint:open', {}, () => table.open(slot));
    scope.computed('l5d:balancer:endpoint:connecting', {}, () => table.connecting(slot));
    scope.computed('l5d:balancer:endpoint:weight', {}, () => series.weight);
    scope.computed('l5d:balancer:endpoint:state_changed_timestamp_seconds', {}, () => {
      const member = this.#members.get(endpoint);
      return member ? epochSeconds(this.#since(member), this.#store.now()) : 0;
    });
    scope.computed(
      'l5d:balancer:endpoint:last_failure_timestamp_seconds',
      {},
      () => (series.lastError?.at ?? 0) / 1000,
    );
    for (const state of endpointStates) {
      scope.computed('l5d:balancer:endpoint:state', { state }, () => {
        const member = this.#members.get(endpoint);
        return member && this.#stateOf(member) === state ? 1 : 0;
      });
    }
    this.#series.set(endpoint, series);
  }
}

/** A moment of the drivers' clock as the time of day. */
const epochSeconds = (moment: number, now: number): number => Math.round(Date.now() - (now - moment)) / 1000;

/** @throws LinkerdTcpError SHARED_MEMORY_FULL, and then nothing is registered */
function registerCells(scope: Scope): EndpointCells {
  try {
    return endpointCells(scope);
  } catch (error) {
    endScope(scope);
    throw error;
  }
}
