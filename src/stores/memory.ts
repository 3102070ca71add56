/**
 * Store `io.l5d.inMemory`: for evaluation, and for policy kept in the configuration file. A restart loses what was written.
 *
 * One counter for all namespaces: one that is deleted and created again never has a version it had before.
 */
import { z } from 'zod';
import { parsedText } from '../config/fields.ts';
import { parseDtab } from '../dtab/parse.ts';
import { countedVersion, EmbeddedStore, type Journal } from './embedded-store.ts';
import { defineStore } from './kind.ts';
import { namespaceKey } from './namespace.ts';

export const memoryStore = defineStore({
  kind: 'io.l5d.inMemory',
  config: z.strictObject({
    namespaces: z
      .record(namespaceKey(), parsedText('a dtab', parseDtab))
      .default({})
      .meta({ description: 'the namespaces at start, and the dtab of each' }),
  }),
  create: ({ namespaces }, { log }) => {
    let writes = 0;
    const next = () => countedVersion(++writes);
    const dtabs = Object.entries(namespaces).map(
      ([namespace, text]) => [namespace, { dtab: parseDtab(text), version: next() }] as const,
    );
    const journal: Journal = {
      write: async (_namespace, dtab) => ({ dtab, version: next() }),
      async delete() {},
      async close() {},
    };
    return new EmbeddedStore('io.l5d.inMemory', journal, dtabs, { log });
  },
});
