/** The store `io.l5d.etcd` as a configuration opens it. */
import { z } from 'zod';
import { load } from '../../src/config/load.ts';
import { etcdStore } from '../../src/stores/etcd/etcd.ts';
import { createStore, storeConfig } from '../../src/stores/kind.ts';
import type { RemoteStore } from '../../src/stores/remote-store.ts';
import type { Etcd } from './etcd.ts';
import { type RecordedLog, recordedLog } from './naming.ts';
import type { Scope } from './scope.ts';

const schema = z.strictObject({ storage: storeConfig([etcdStore]) });
let prefixes = 0;

/** A unique prefix. */
export const freshPrefix = (): string => `/test/${process.pid}/${prefixes++}`;

/** @param keys of the configuration, as YAML flow; closed when the test is over */
export function configuredEtcdStore(t: Scope, keys: string, log: RecordedLog = recordedLog()): RemoteStore {
  const text = `storage: {kind: io.l5d.etcd${keys && `, ${keys}`}}\n`;
  const { storage } = load({ program: 'namerd', file: 'namerd.yml', text, schema });
  const context = { log, now: () => performance.now(), random: Math.random, epochMs: Date.now };
  const store = createStore([etcdStore], storage, context) as RemoteStore;
  t.after(() => store.close());
  return store;
}

export const etcdStoreOn = (t: Scope, etcd: Etcd, pathPrefix = freshPrefix(), log?: RecordedLog): RemoteStore =>
  configuredEtcdStore(t, `host: 127.0.0.1, port: ${etcd.port}, pathPrefix: ${pathPrefix}`, log);
