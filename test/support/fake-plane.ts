/** A data plane without threads: it records its messages, and applies them when the test says so. */

import type { ListenerSpec, RouteSpec } from '../../src/proxy/messages.ts';
import type { DataPlane } from '../../src/proxy/worker/data-plane.ts';

export interface FakePlane {
  readonly plane: DataPlane;
  /** In the order in which they arrived. */
  readonly published: Omit<RouteSpec, 'generation'>[];
  readonly unrouted: number[];
  readonly adjusted: ListenerSpec[];
  /** Messages about routes and names, in order: `publish 1`, `named 7 a.test 1`. */
  readonly told: string[];
  /** Opened, and not closed since. */
  readonly listening: Map<number, ListenerSpec>;
  /** Refuses to listen on this port. */
  refuse: number | undefined;
  /** Holds the answers of `unlisten` back until it resolves. */
  closing: Promise<unknown>;
}

export function fakePlane(refusal: () => Error = () => new Error('refused')): FakePlane {
  let generation = 0;
  const fake: FakePlane = {
    published: [],
    unrouted: [],
    adjusted: [],
    told: [],
    listening: new Map(),
    refuse: undefined,
    closing: Promise.resolve(),
    plane: {
      get generation() {
        return generation;
      },
      publish(route: Omit<RouteSpec, 'generation'>) {
        fake.published.push(route);
        fake.told.push(`publish ${route.id}`);
        return ++generation;
      },
      unroute(id: number) {
        fake.unrouted.push(id);
        fake.told.push(`unroute ${id}`);
        return ++generation;
      },
      named(listener: number, name: string, route: number | null) {
        fake.told.push(`named ${listener} ${name} ${route}`);
      },
      unnamed(listener: number, name: string) {
        fake.told.push(`unnamed ${listener} ${name}`);
      },
      adjust(listener: ListenerSpec) {
        fake.adjusted.push(listener);
        return ++generation;
      },
      async listen(listener: ListenerSpec, isShared = false) {
        const blocker = [...fake.listening.values()].find(({ port }) => port === listener.port);
        if (listener.port === fake.refuse || (blocker && !isShared)) throw refusal();
        fake.listening.set(listener.id, listener);
        return { ip: listener.ip, port: listener.port };
      },
      async unlisten(id: number) {
        await fake.closing;
        fake.listening.delete(id);
      },
    } as unknown as DataPlane,
  };
  return fake;
}
