/** The kinds of stores namerd's config can choose from. */
import type { StoreKind } from './kind.ts';
import { memoryStore } from './memory.ts';
import { sqliteStore } from './sqlite.ts';

export const storeKinds: readonly StoreKind[] = [memoryStore, sqliteStore];
