/** The running proxy as the admin API sees and controls it. */

import type { Json } from '../json.ts';
import type { Readiness } from '../readiness.ts';

export interface AdminView {
  /** The configuration in effect, as JSON. It may contain secrets: the admin API hides them. */
  config(): unknown;
  routes(): readonly RouteView[];
  /** The explain tree of a path, by the names of one router; undefined when the request named none. */
  delegate(router: string | undefined, path: string): Promise<Json>;
  ready(): Readiness;
  /** Starts the drain; further calls have no effect. */
  shutdown(): void;
  /** Ends the process at once with status 1. */
  abort(): void;
  /** Rejects if the new configuration is invalid or cannot be applied; the running one then stays in effect. */
  reload(): Promise<void>;
}

export interface RouteView {
  readonly router: string;
  readonly dst: string;
  readonly state: 'pending' | 'negative' | 'failed' | 'bound';
  /** A reload took it out of the configuration; connections that were open then still use it. */
  readonly withdrawn?: true;
  /** Why it is negative or failed. */
  readonly reason?: string;
  /** The last good state is served because it could not be confirmed. */
  readonly stale?: { readonly forMs: number; readonly reason: string };
  /** When the state last changed, in ISO 8601, and how long ago. */
  readonly since: string;
  readonly ageMs: number;
  /** The bound tree as namerd writes it: `{"type":"leaf","bound":{"addr":…,"id":…,"path":…}}`, `alt`, `union`, … */
  readonly tree?: Json;
  readonly endpoints: readonly EndpointView[];
}

export interface EndpointView {
  /** `ip:port` */
  readonly address: string;
  /** The bound id it comes from; `/` once it is retired. An endpoint in two branches is listed for each. */
  readonly branch: string;
  readonly weight: number;
  readonly state: 'available' | 'failed' | 'probing' | 'retired';
  /** When it was ejected or came back, or else when it was added, in ISO 8601. */
  readonly since: string;
  /** Why it last failed; absent if it never has. Recovery does not clear it. */
  readonly lastError?: { readonly at: string; readonly reason: string };
  readonly open: number;
  readonly connecting: number;
  readonly consecutiveFailures: number;
  readonly penaltyEndsInMs?: number;
}
