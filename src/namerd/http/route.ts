/** A route: what answers a request, and what its sender must be allowed for that, decided together and once. */
import type { Need } from '../access/access.ts';
import type { ApiRequest, Outcome } from './exchange.ts';
import type { ApiParts } from './parts.ts';

export interface Route {
  /** One of them is enough; without any, every visitor is answered. */
  readonly needs: readonly Need[];
  /** Answered without asking who it is. */
  readonly isPublic?: true;
  answer(request: ApiRequest, parts: ApiParts): Outcome | Promise<Outcome>;
}

export const notFound: Outcome = { status: 404 };
