/** Where the server names of each listener lead, as far as this worker knows, and which sessions wait to know it. */
import type { Session } from '../context.ts';
import type { Route } from '../route.ts';

const keyOf = (listener: number, name: string): string => `${listener} ${name}`;

export class ServerNameRoutes {
  readonly #routes = new Map<string, Route>();
  readonly #waiting = new Map<string, Set<Session>>();

  routeOf(listener: number, name: string): Route | undefined {
    return this.#routes.get(keyOf(listener, name));
  }

  /** @returns whether this is the first request for the name */
  wait(listener: number, name: string, session: Session): boolean {
    const key = keyOf(listener, name);
    const waiting = this.#waiting.get(key);
    waiting?.add(session);
    if (waiting) return false;
    this.#waiting.set(key, new Set([session]));
    return true;
  }

  /** The session no longer waits. The name still counts as asked for. */
  leave(listener: number, name: string, session: Session): void {
    this.#waiting.get(keyOf(listener, name))?.delete(session);
  }

  /** @param route null: the waiting sessions are refused. @returns the sessions that waited for the answer */
  answer(listener: number, name: string, route: Route | null): Iterable<Session> {
    const key = keyOf(listener, name);
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    if (route) this.#routes.set(key, route);
    return waiting;
  }

  forget(listener: number, name: string): void {
    this.#routes.delete(keyOf(listener, name));
  }
}
