/**
 * A destination as one worker sees it: pickers built from the last publication, and the sessions that wait for the first one.
 *
 * A branch is known by its id: when it is published again with the same endpoints, its picker continues where it was.
 */
import { BranchPicker } from '../balancer/branch-picker.ts';
import type { EndpointTable } from '../balancer/endpoint-table.ts';
import { createPicker, type Picker } from '../balancer/picker.ts';
import type { Session } from './context.ts';
import type { ClientPolicy, EndpointSpec, RouteSpec } from './messages.ts';

/** An endpoint is what was published, as it was published: sessions keep it after later publications. */
export type Endpoint = EndpointSpec;

export interface Branch {
  readonly id: string;
  readonly weight: number;
  readonly endpoints: readonly Endpoint[];
  readonly picker: Picker;
}

export class Route {
  spec: RouteSpec;
  /** Sessions in state Binding, oldest first. */
  readonly waiting = new Set<Session>();
  #branches: readonly Branch[] = [];
  #draw: BranchPicker | null = null;
  readonly #table: EndpointTable;
  readonly #random: () => number;

  constructor(spec: RouteSpec, table: EndpointTable, random: () => number) {
    this.#table = table;
    this.#random = random;
    this.spec = spec;
    this.#build(spec.client);
  }

  publish(spec: RouteSpec): void {
    const { client } = this.spec;
    this.spec = spec;
    this.#build(client);
  }

  get branches(): readonly Branch[] {
    return this.#branches;
  }

  branchOf(id: string): Branch | undefined {
    return this.#branches.find(branch => branch.id === id);
  }

  /** Draws a branch by weight, for one connection; null when the name does not resolve. */
  drawBranch(): Branch | null {
    return this.#draw ? this.#branches[this.#draw.draw()] : null;
  }

  /** Draws by weight among the branches that have endpoints and are not among `left`; null when there are none. */
  drawOther(left: readonly Branch[]): Branch | null {
    const isOut = (i: number): boolean => left.includes(this.#branches[i]) || this.#branches[i].endpoints.length === 0;
    const other = this.#draw?.drawOther(isOut) ?? -1;
    return other < 0 ? null : this.#branches[other];
  }

  /** @param before the policy the present pickers were made for */
  #build(before: ClientPolicy): void {
    const { target, client } = this.spec;
    const branches = target.state === 'bound' ? target.branches : [];
    const known =
      before.balancer === client.balancer && before.decayTimeMs === client.decayTimeMs ? this.#branches : [];
    this.#branches = branches.map(({ id, weight, endpoints }) => {
      const same = known.find(one => one.id === id && areSame(one.endpoints, endpoints));
      return { id, weight, endpoints, picker: same?.picker ?? this.#pickerFor(endpoints) };
    });
    this.#draw =
      branches.length === 0
        ? null
        : new BranchPicker(
            branches.map(branch => branch.weight),
            this.#random,
          );
  }

  #pickerFor(endpoints: readonly Endpoint[]): Picker {
    const { balancer, decayTimeMs } = this.spec.client;
    return createPicker(balancer, endpoints, this.#table, { random: this.#random, decayTimeMs });
  }
}

/** A picker goes by slots, weights and their order. */
function areSame(some: readonly Endpoint[], others: readonly Endpoint[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ slot, weight }, i) => slot === others[i].slot && weight === others[i].weight)
  );
}
