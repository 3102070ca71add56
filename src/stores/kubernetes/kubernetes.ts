/** Store `io.l5d.k8s`: each namespace is a custom resource `dtabs.l5d.io` in one namespace of Kubernetes. */
import { z } from 'zod';
import { KubernetesApi } from '../../clients/kubernetes/api.ts';
import { accessFor, checkKubernetesKeys, kubernetesKeys } from '../../clients/kubernetes/config.ts';
import { defineStore } from '../kind.ts';
import { RemoteStore } from '../remote-store.ts';
import { KubernetesBackend } from './backend.ts';

export const kubernetesStore = defineStore({
  kind: 'io.l5d.k8s',
  config: z
    .strictObject({
      namespace: z
        .string('expected a namespace of Kubernetes')
        .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected up to 63 lower-case letters, digits and -')
        .default('default')
        .meta({ description: 'the namespace of Kubernetes that the dtabs are in' }),
      ...kubernetesKeys,
    })
    .superRefine(checkKubernetesKeys),
  create: (config, { log, random, certificates }) => {
    const { namespace } = config;
    const access = accessFor(config, { log, certificates });
    const store = `io.l5d.k8s (${access.where}, namespace ${namespace})`;
    const backend = new KubernetesBackend({ api: new KubernetesApi(access), namespace, store, random });
    return new RemoteStore({ store, backend, log, random });
  },
});
