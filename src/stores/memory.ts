/**
 * Store `io.l5d.inMemory`: for trying things out and for policy that lives in the config. What is written is lost at restart.
 *
 * One counter for all namespaces: one that is deleted and created again never has a version it had before.
 */
import { z } from 'zod';
import { parsedText } from '../config/fields.ts';
import { parseDtab } from '../dtab/parse.ts';
import { countedVersion, HeldStore, type Journal } from './held.ts';
import { defineStore } from './kind.ts';
import { namespaceKey } from './namespace.ts';

export const memoryStore = defineStore({
  kind: 'io.l5d.inMemory',
  config: z.strictObject({
    namespaces: z
      .record(namespaceKey(), parsedText('a dtab', parseDtab))
      .default({})
      .meta({ description: 'what there is at start: the dtab of each namespace' }),
  }),
  create: ({ namespaces }) => {
    let writes = 0;
    const next = () => countedVersion(++writes);
    const held = Object.entries(namespaces).map(
      ([namespace, text]) => [namespace, { dtab: parseDtab(text), version: next() }] as const,
    );
    const journal: Journal = { write: (_namespace, dtab) => ({ dtab, version: next() }), delete() {}, close() {} };
    return new HeldStore('io.l5d.inMemory', journal, held);
  },
});
