/** The configuration keys by which an API server is found, for every kind that speaks with Kubernetes. */

import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { host, nonEmpty, wholeNumber } from '../../config/fields.ts';
import { dirPath, filePath, whyUnreadable } from '../../config/file-fields.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { clientTls } from '../client-tls.ts';
import { type ClientTlsContext, liveClientTls } from '../live-client-tls.ts';
import { type Access, openAccess, serviceAccountAccess, serviceAccountDir } from './access.ts';
import { kubeconfigAccess } from './kubeconfig.ts';

export const kubernetesKeys = {
  auth: z
    .enum(['proxy', 'serviceAccount', 'kubeconfig'])
    .optional()
    .meta({
      description:
        'how to reach the API server. `proxy`: at `host` and `port`, where a proxy adds the credentials; `serviceAccount`: ' +
        'as the pod that the process runs in; `kubeconfig`: as kubectl does. Without it what the other keys suggest, else `serviceAccount` in a ' +
        'pod and `proxy` elsewhere',
    }),
  host: host()
    .optional()
    .meta({ description: 'of the API server or of `kubectl proxy`; `localhost`, or in a pod what Kubernetes says' }),
  port: wholeNumber(1, 65_535, 'a port, a whole number from 1 to 65535')
    .optional()
    .meta({ description: '8001, or in a pod what Kubernetes says' }),
  tls: clientTls.optional().meta({ description: 'with `auth: proxy`, speak https' }),
  serviceAccountDir: dirPath()
    .optional()
    .meta({ description: `directory with \`token\` and \`ca.crt\` of a service account; \`${serviceAccountDir}\`` }),
  kubeconfig: filePath().optional().meta({
    description: 'the file that says how kubectl would do it; else as `$KUBECONFIG` says, or `~/.kube/config`',
  }),
  context: nonEmpty('the name of a context')
    .optional()
    .meta({ description: 'which context of the kubeconfig; else its current one' }),
};

export type KubernetesKeys = z.output<z.ZodObject<typeof kubernetesKeys>>;

/** Keys that belong to one way of authentication each. */
const belongs = {
  tls: 'proxy',
  serviceAccountDir: 'serviceAccount',
  kubeconfig: 'kubeconfig',
  context: 'kubeconfig',
} as const;

/** For `superRefine`: what does not go together. */
export function checkKubernetesKeys(keys: KubernetesKeys, context: z.core.$RefinementCtx): void {
  const complain = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
  const auth = chosenAuth(keys, {});
  for (const [key, owner] of Object.entries(belongs) as [keyof typeof belongs, string][])
    if (keys[key] !== undefined && auth !== owner)
      complain(
        [key],
        `goes with auth: ${owner}, here ${keys.auth === undefined ? 'the other keys mean' : 'it is'} ${auth}`,
      );
  if (auth === 'kubeconfig')
    for (const key of ['host', 'port'] as const)
      if (keys[key] !== undefined) complain([key], 'stands in the kubeconfig; remove it here');
}

/**
 * @param env of the process: in a pod Kubernetes says there where its API is
 * @throws LinkerdTcpError CONFIG_UNREADABLE, TLS_UNUSABLE, or STORE_UNAVAILABLE where nothing says where the API is
 */
export function accessFor(
  keys: KubernetesKeys,
  context: ClientTlsContext,
  env: NodeJS.ProcessEnv = process.env,
): Access {
  const auth = chosenAuth(keys, env);
  if (auth === 'kubeconfig') return kubeconfigAccess({ file: keys.kubeconfig, context: keys.context }, env);
  if (auth === 'serviceAccount') {
    const { host = env['KUBERNETES_SERVICE_HOST'], port = env['KUBERNETES_SERVICE_PORT'] ?? 443 } = keys;
    if (host === undefined)
      throw new LinkerdTcpError('STORE_UNAVAILABLE', {
        store: 'Kubernetes',
        action: 'be reached as a service account',
        reason: 'KUBERNETES_SERVICE_HOST is not set, so this is no pod',
        hint: 'set host and port, or auth: kubeconfig',
      });
    return serviceAccountAccess(keys.serviceAccountDir ?? serviceAccountDir, originOf('https', host, port), context);
  }
  const tls = liveClientTls(keys.tls, 'Kubernetes', context);
  const origin = originOf(tls === undefined ? 'http' : 'https', keys.host ?? 'localhost', keys.port ?? 8001);
  const advice =
    keys.host === undefined && keys.port === undefined
      ? 'nothing says where Kubernetes is and this is no pod: run kubectl proxy, or set host and port, or auth: kubeconfig'
      : 'is kubectl proxy running?';
  return openAccess(origin, tls, advice);
}

function chosenAuth(keys: KubernetesKeys, env: NodeJS.ProcessEnv): NonNullable<KubernetesKeys['auth']> {
  if (keys.auth !== undefined) return keys.auth;
  if (keys.kubeconfig !== undefined || keys.context !== undefined) return 'kubeconfig';
  if (keys.serviceAccountDir !== undefined) return 'serviceAccount';
  if (keys.host !== undefined || keys.port !== undefined || keys.tls !== undefined) return 'proxy';
  const isPod =
    env['KUBERNETES_SERVICE_HOST'] !== undefined && whyUnreadable(join(serviceAccountDir, 'token')) === undefined;
  return isPod ? 'serviceAccount' : 'proxy';
}

const originOf = (scheme: string, host: string, port: number | string): string =>
  new URL(`${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`).origin;
