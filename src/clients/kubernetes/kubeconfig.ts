/**
 * Access as kubectl has it: a kubeconfig with its contexts, certificates, tokens and programs that give tokens.
 *
 * `@kubernetes/client-node` is used only for this. The library is loaded when the first request is made and not
 * before: it takes 0.4 s and 50 MB.
 */
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import type { KubeConfig } from '@kubernetes/client-node';
import { reasonOf } from '../../errors.ts';
import type { TlsSource } from '../http/connector.ts';
import { type Access, type Credentials, checkReadable } from './access.ts';

export interface KubeconfigOptions {
  /** The file; as kubectl finds it where it is not given. */
  readonly file?: string | undefined;
  /** The one that the file calls current where it is not given. */
  readonly context?: string | undefined;
}

/** The options of a request that the library sets. */
interface Filled extends Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'> {
  readonly headers?: Readonly<Record<string, string>>;
  /** `user:password` */
  readonly auth?: string;
}

/** @throws LinkerdTcpError CONFIG_UNREADABLE */
export function kubeconfigAccess({ file, context }: KubeconfigOptions, env: NodeJS.ProcessEnv): Access {
  const files = file === undefined ? defaultFiles(env) : [file];
  for (const each of files) checkReadable(each);
  const where = `kubeconfig ${files.join(delimiter)}${context === undefined ? '' : `, context ${context}`}`;
  let loaded: Promise<KubeConfig> | undefined;
  let tls: { readonly options: ConnectionOptions; readonly source: TlsSource } | undefined;

  const credentials = async (): Promise<Credentials> => {
    loaded ??= load(files, context);
    const config = await loaded;
    const { origin, pathname } = new URL(config.getCurrentCluster()!.server);
    const { headers = {}, auth, ...found } = await fill(config);
    if (tls === undefined || !sameTls(tls.options, found)) tls = { options: found, source: () => found };
    const basic = auth !== undefined && { authorization: `Basic ${Buffer.from(auth).toString('base64')}` };
    return { origin, basePath: pathname.replace(/\/+$/, ''), headers: { ...basic, ...headers }, tls: tls.source };
  };

  // Read again: certificates in the file may have been replaced, and what its programs said is kept by the library.
  const refused = () => {
    loaded = undefined;
  };

  // One at a time: a program that hangs is not started again and again.
  let asked: Promise<Credentials> | undefined;
  return {
    where,
    refused,
    credentials() {
      asked ??= credentials()
        .catch(error => {
          refused();
          throw new Error(`${where} cannot be used: ${reasonOf(error)}`, { cause: error });
        })
        .finally(() => {
          asked = undefined;
        });
      return asked;
    },
  };
}

function defaultFiles({ KUBECONFIG, HOME }: NodeJS.ProcessEnv): readonly string[] {
  const listed = KUBECONFIG?.split(delimiter).filter(Boolean) ?? [];
  return listed.length > 0 ? listed : [join(HOME || homedir(), '.kube/config')];
}

async function load([first, ...others]: readonly string[], context: string | undefined): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(first);
  for (const file of others) {
    const next = new KubeConfig();
    next.loadFromFile(file);
    config.mergeConfig(next, true);
  }
  if (context !== undefined) config.setCurrentContext(context);
  const chosen = config.getCurrentContext();
  if (config.getContextObject(chosen) === null) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(`there is no context ${chosen ?? '(none is current)'}; there are: ${known.join(', ') || 'none'}`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`context ${chosen} has no cluster`);
  if (cluster.proxyUrl)
    throw new Error(`cluster ${cluster.name} is behind ${cluster.proxyUrl}: proxy-url is not supported`);
  return config;
}

async function fill(config: KubeConfig): Promise<Filled> {
  const options = {} as Filled & { agent?: unknown };
  // The library refuses plain HTTP unless validation is off.
  const cluster = config.getCurrentCluster()!;
  if (cluster.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true });
  await config.applyToHTTPSOptions(options as never);
  const { agent: _, ...filled } = options;
  return filled;
}

const sameTls = (a: ConnectionOptions, b: ConnectionOptions): boolean => tlsText(a) === tlsText(b);

const tlsText = ({ ca, cert, key, rejectUnauthorized, servername }: ConnectionOptions): string =>
  [ca, cert, key, rejectUnauthorized, servername].map(each => String(each ?? '')).join('\n');
