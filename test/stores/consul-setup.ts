/** Stores on a {@link FakeConsul}, with waits short enough for tests. */
import { ConsulClient, type ConsulClientOptions } from '../../src/clients/consul/client.ts';
import { ConsulBackend, type ConsulBackendOptions } from '../../src/stores/consul/backend.ts';
import { RemoteStore } from '../../src/stores/remote-store.ts';
import { FakeConsul, type FakeConsulOptions } from '../support/fake-consul.ts';
import { type RecordedLog, recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';

export async function startConsul(t: Scope, options: FakeConsulOptions = {}): Promise<FakeConsul> {
  const consul = new FakeConsul(options);
  t.after(() => consul.stop());
  await consul.start();
  return consul;
}

export interface OpenOptions
  extends Partial<Omit<ConsulBackendOptions, 'client'>>,
    Partial<Omit<ConsulClientOptions, 'token' | 'origin'>> {
  readonly token?: string;
  readonly writeTimeoutMs?: number;
  readonly log?: RecordedLog;
}

/** How long a question stays open, and how soon a Consul that says nothing is given up. */
const waitMs = 500;

export function openStore(t: Scope, { port }: { readonly port: number }, options: OpenOptions = {}): RemoteStore {
  const { token, writeTimeoutMs, log = recordedLog(), datacenter, requestTimeoutMs = 1000, ...backend } = options;
  const store = 'io.l5d.consul (test)';
  const client = new ConsulClient({
    origin: `http://127.0.0.1:${port}`,
    requestTimeoutMs,
    ...(datacenter !== undefined && { datacenter }),
    ...(token !== undefined && { token: async () => token }),
  });
  const opened = new RemoteStore({
    store,
    backend: new ConsulBackend({
      store,
      folder: 'namerd/dtabs/',
      consistency: 'default',
      waitMs,
      client,
      log,
      ...backend,
    }),
    log,
    random: Math.random,
    retries: { baseMs: 50, maxMs: 200 },
    ...(writeTimeoutMs !== undefined && { writeTimeoutMs }),
  });
  t.after(() => opened.close());
  return opened;
}
