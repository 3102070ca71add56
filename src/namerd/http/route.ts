/** A route: what answers a request, and what its sender must be allowed for that, decided together and once. */
import type { Permission } from '../access/access.ts';
import type { ApiContext } from './api-context.ts';
import type { ApiRequest, Outcome } from './exchange.ts';

export interface Route {
  /** One of them is enough; without any, every principal is answered. */
  readonly permissions: readonly Permission[];
  /** Answered without asking who it is. */
  readonly isPublic?: true;
  answer(request: ApiRequest, context: ApiContext): Outcome | Promise<Outcome>;
}

export const notFound: Outcome = { status: 404 };
