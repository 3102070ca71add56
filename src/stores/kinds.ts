/** The kinds of stores namerd's config can choose from. */
import { consulStore } from './consul.ts';
import { etcdStore } from './etcd.ts';
import type { StoreKind } from './kind.ts';
import { kubernetesStore } from './kubernetes.ts';
import { memoryStore } from './memory.ts';
import { sqliteStore } from './sqlite.ts';
import { zookeeperStore } from './zookeeper.ts';

export const storeKinds: readonly StoreKind[] = [
  memoryStore,
  sqliteStore,
  consulStore,
  etcdStore,
  zookeeperStore,
  kubernetesStore,
];
