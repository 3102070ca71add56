/** The store `io.l5d.k8s` over a fake API server, with times that suit tests. */

import { openAccess } from '../../src/clients/kubernetes/access.ts';
import { KubernetesApi } from '../../src/clients/kubernetes/api.ts';
import { KubernetesBackend, type KubernetesBackendOptions } from '../../src/stores/kubernetes/backend.ts';
import { RemoteStore } from '../../src/stores/remote-store.ts';
import type { FakeKubernetes } from '../support/fake-kubernetes.ts';
import { type RecordedLog, recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';

export interface KubernetesRig {
  readonly store: RemoteStore;
  readonly log: RecordedLog;
}

export function openKubernetes(
  t: Scope,
  server: FakeKubernetes,
  options: Partial<KubernetesBackendOptions> = {},
): KubernetesRig {
  const log = recordedLog();
  const api = new KubernetesApi(openAccess(`http://127.0.0.1:${server.port}`));
  const shared = { store: 'io.l5d.k8s (test)', random: Math.random };
  const backend = new KubernetesBackend({ api, namespace: 'default', ...shared, ...options });
  const store = new RemoteStore({ ...shared, backend, log, retries: { baseMs: 20, maxMs: 200 } });
  t.after(() => store.close());
  return { store, log };
}
