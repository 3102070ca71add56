/** The kinds of stores namerd's config can choose from. */
import { consulStore } from '../../stores/consul/consul.ts';
import { etcdStore } from '../../stores/etcd/etcd.ts';
import type { StoreKind } from '../../stores/kind.ts';
import { kubernetesStore } from '../../stores/kubernetes/kubernetes.ts';
import { memoryStore } from '../../stores/memory.ts';
import { sqliteStore } from '../../stores/sqlite/sqlite.ts';
import { zookeeperStore } from '../../stores/zookeeper/zookeeper.ts';

export const storeKinds: readonly StoreKind[] = [
  memoryStore,
  sqliteStore,
  consulStore,
  etcdStore,
  zookeeperStore,
  kubernetesStore,
];
