/** One entry of an admin API: its path and method, what it is for and how it answers. */
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** One line, shown at `/`. */
  readonly purpose: string;
  answer(request: FastifyRequest, reply: FastifyReply): unknown;
}
