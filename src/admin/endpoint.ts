/** One endpoint of an admin API: method, path, purpose and handler. */
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** One line, shown at `/`. */
  readonly purpose: string;
  answer(request: FastifyRequest, reply: FastifyReply): unknown;
}
