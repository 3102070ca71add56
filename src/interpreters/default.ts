/** Interpreter `default`: the router's dtab over the namers of the same config. */
import { z } from 'zod';
import { bindTree } from '../naming/bind.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import { delegate } from '../naming/delegate.ts';
import { defineInterpreter } from '../naming/kinds.ts';

export const defaultInterpreter = defineInterpreter({
  kind: 'default',
  config: z.strictObject({}),
  create: (_config, { namers, dns }) => {
    const builtin = builtinNamer(dns);
    return {
      bind: (dtab, path) => bindTree({ dtab, namers, builtin }, path),
      delegate: (dtab, path) => delegate({ dtab, namers, builtin }, path),
    };
  },
});
