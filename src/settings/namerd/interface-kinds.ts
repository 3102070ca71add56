/** The kinds of interfaces that a configuration of namerd can name. */

import type { InterfaceKind } from '../../namerd/core/interface.ts';
import { httpController } from '../../namerd/http/http-controller.ts';
import { destination, mesh, thriftNameInterpreter } from '../../namerd/unserved/interfaces.ts';

export const interfaceKinds: readonly InterfaceKind[] = [
  httpController,
  thriftNameInterpreter,
  mesh,
  destination,
] as readonly InterfaceKind[];
