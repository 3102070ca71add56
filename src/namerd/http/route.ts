/** A route: the handler of a request and the permissions it needs, decided together. */
import { LinkerdTcpError } from '../../errors.ts';
import type { Permission } from '../access/access.ts';
import type { ApiContext } from './api-context.ts';
import type { ApiRequest, Outcome, RequestHead } from './exchange.ts';

export interface Route {
  /** One of them is enough; with none, every principal is answered. */
  readonly permissions: readonly Permission[];
  /** Answered without authentication. */
  readonly isPublic?: true;
  answer(request: ApiRequest, context: ApiContext): Outcome | Promise<Outcome>;
}

export const noRoute = (path: string, hint: string): Route => ({
  permissions: [],
  answer: () => {
    throw new LinkerdTcpError('NOT_FOUND', { path: path.slice(0, 200), hint });
  },
});

export const methodNotAllowed = (
  { method, path }: RequestHead,
  allowed: readonly string[],
  permissions: readonly Permission[] = [],
): Route => ({
  permissions,
  answer: () => {
    throw new LinkerdTcpError('METHOD_NOT_ALLOWED', { path: path.slice(0, 200), allowed: allowed.join(', '), method });
  },
});
