/** Interfaces of Linkerd 1.x's Namerd that are accepted and not served, so that its configurations start unchanged. */
import { z } from 'zod';
import { defineInterface } from '../core/interface.ts';

const unserved = (kind: string, api: string) =>
  defineInterface({
    kind,
    config: z.looseObject({}),
    warning:
      `${kind} is not served: this namerd has no ${api}. Clients use an interface of kind io.l5d.httpController instead; in ` +
      'Linkerd and linkerd-tcp, with the interpreter io.l5d.namerd.http and its baseUrl',
    start: async () => undefined,
  });

export const thriftNameInterpreter = unserved('io.l5d.thriftNameInterpreter', 'Thrift API');
export const mesh = unserved('io.l5d.mesh', 'gRPC mesh API');
export const destination = unserved('io.l5d.destination', 'gRPC destination API');
