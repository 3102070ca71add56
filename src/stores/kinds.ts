/** The kinds of stores namerd's config can choose from. */
import { consulStore } from './consul/consul.ts';
import { etcdStore } from './etcd/etcd.ts';
import type { StoreKind } from './kind.ts';
import { kubernetesStore } from './kubernetes/kubernetes.ts';
import { memoryStore } from './memory.ts';
import { sqliteStore } from './sqlite/sqlite.ts';
import { zookeeperStore } from './zookeeper/zookeeper.ts';

export const storeKinds: readonly StoreKind[] = [
  memoryStore,
  sqliteStore,
  consulStore,
  etcdStore,
  zookeeperStore,
  kubernetesStore,
];
