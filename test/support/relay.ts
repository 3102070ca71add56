/** One worker of the data plane in this thread, between scripted peers: everything of a proxy but naming and threads. */
import { EndpointTable } from '../../src/balancer/endpoint-table.ts';
import { monotonicNow } from '../../src/io/clock.ts';
import type { Driver, DriverEvents } from '../../src/io/driver.ts';
import { PortableDriver } from '../../src/io/portable/driver.ts';
import { Registry } from '../../src/metrics/registry.ts';
import type { BulkProof } from '../../src/proxy/bulk.ts';
import type { ClientPolicy, ListenerSpec, ServerTlsSpec, Target, Up } from '../../src/proxy/messages.ts';
import type { ConnectionRecord } from '../../src/proxy/record.ts';
import { Worker, type WorkerOptions } from '../../src/proxy/worker/worker.ts';
import { connectPeer, type Peer, type PeerOptions } from './peer.ts';
import type { Scope } from './scope.ts';
import { branchSpec, defaultPolicy, listenerSpec, type Ports, routeSpec, serverTls, sharedCounts } from './specs.ts';
import { until } from './waiting.ts';

export interface RelayOptions {
  readonly listener?: Partial<ListenerSpec>;
  /** The identities of a listener that terminates TLS. */
  readonly identities?: Partial<Omit<ServerTlsSpec, 'cells'>>;
  readonly client?: Partial<ClientPolicy>;
  /** Ports of the endpoints; undefined leaves the name pending. */
  readonly upstreams?: readonly number[];
  readonly createDriver?: (events: DriverEvents) => Driver;
  readonly createTls?: WorkerOptions['createTls'];
  readonly random?: () => number;
  /** How many workers share the load, for what is split among them; this is the first. */
  readonly workers?: number;
  /** When a direction counts as bulk; the program's own proof when not given. */
  readonly bulk?: BulkProof;
}

const noTls = (): never => {
  throw new Error('this relay has no TLS');
};

export class Relay {
  readonly registry = new Registry({ pages: 2 });
  readonly endpoints = new EndpointTable(new SharedArrayBuffer(EndpointTable.bytesFor(64)));
  readonly counts = new Int32Array(new SharedArrayBuffer(64));
  readonly records: ConnectionRecord[] = [];
  readonly messages: Up[] = [];
  readonly worker: Worker;
  port = 0;
  readonly #slots = new Map<string, number>();
  #client: ClientPolicy;
  #listener: ListenerSpec;
  #target: Publication = { state: 'pending' };
  #generation = 0;

  constructor(options: RelayOptions) {
    this.#client = { ...defaultPolicy, ...options.client };
    const tls = options.identities ? { tls: serverTls(this.registry, options.identities) } : {};
    this.#listener = listenerSpec(this.registry, { ...options.listener, ...tls });
    this.worker = new Worker({
      index: 0,
      workers: options.workers ?? 1,
      memory: {
        metrics: this.registry.pages[1],
        endpoints: this.endpoints.cells.buffer as SharedArrayBuffer,
        counts: this.counts.buffer as SharedArrayBuffer,
      },
      control: {
        post: message => {
          this.messages.push(message);
          if (message.type !== 'records') return;
          this.records.push(...message.records);
          Atomics.sub(this.counts, sharedCounts.inFlight, message.records.length);
        },
      },
      createDriver: options.createDriver ?? (events => new PortableDriver(events)),
      createTls: options.createTls ?? noTls,
      random: options.random ?? Math.random,
      ...(options.bulk && { bulk: options.bulk }),
    });
    const dropped = this.registry.scope({}).counter('l5d:accesslog:dropped');
    this.worker.tell({ type: 'recording', recording: { inFlight: sharedCounts.inFlight, dropped } });
    this.publish(options.upstreams ? bound(options.upstreams) : { state: 'pending' });
    this.worker.tell({ type: 'listen', listener: this.#listener });
  }

  async listening(): Promise<void> {
    const message = await until(
      () => this.messages.find(one => one.type === 'listening' || one.type === 'listenFailed'),
      'the relay to listen',
    );
    if (message.type === 'listening') this.port = message.port;
    else throw new Error(`cannot listen: ${JSON.stringify(message)}`);
  }

  publish(target: Publication): void {
    this.#target = target;
    const shown = this.#shown(target);
    const route = { ...routeSpec(this.registry, shown, this.#client), generation: ++this.#generation };
    this.worker.tell({ type: 'route', route });
  }

  /** One more destination, for a server name to lead to. */
  publishRoute(id: number, target: Publication): void {
    const shown = this.#shown(target);
    const spec = routeSpec(this.registry, shown, this.#client);
    this.worker.tell({ type: 'route', route: { ...spec, id, dst: `/svc/${id}`, generation: ++this.#generation } });
  }

  #shown(target: Publication): Target {
    if (target.state !== 'bound') return target;
    const branches = target.branches.map(branch => branchSpec(this.registry, this.#slots, branch));
    return { state: 'bound', branches };
  }

  /** A reload: other settings for the same socket and, for new attempts, another policy. */
  adjust(listener: Partial<ListenerSpec>, client: Partial<ClientPolicy> = {}): void {
    this.#client = { ...this.#client, ...client };
    this.#listener = { ...this.#listener, ...listener };
    this.publish(this.#target);
    this.worker.tell({ type: 'adjust', listener: this.#listener, generation: 0 });
  }

  /** Load of the endpoint on that port: open and being made. */
  load(port: number): number {
    return this.endpoints.load(this.#slots.get(`127.0.0.1:${port}`) as number);
  }

  get active(): number {
    return Atomics.load(this.counts, sharedCounts.active);
  }

  get waiters(): number {
    return Atomics.load(this.counts, sharedCounts.waiters);
  }

  get queued(): number {
    return Atomics.load(this.counts, sharedCounts.queued);
  }

  /** Value of a series, e.g. `l5d:srv:accepts`; with several, their sum. */
  metric(name: string, labels = ''): number {
    const lines = this.registry.expose().split('\n');
    const own = lines.filter(
      line => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels),
    );
    return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** The record of the n-th session to end, counted from 1. */
  async record(n = 1): Promise<ConnectionRecord> {
    return until(() => this.records[n - 1], `session ${n} to end`);
  }
}

export type Publication = Target | { readonly state: 'bound'; readonly branches: readonly Ports[] };

export const bound = (ports: readonly number[]) => ({ state: 'bound', branches: [{ ports }] }) as const;

/** Starts a relay; when the test is over it is drained, and must then own nothing any more. */
export async function startRelay(t: Scope, options: RelayOptions): Promise<Relay> {
  const relay = new Relay(options);
  t.after(async () => {
    relay.worker.tell({ type: 'drain', graceMs: 0 });
    const { driver } = relay.worker;
    await until(
      () => driver.ledger().sockets === 0 && driver.ledger().buffers === 0,
      () => `the relay to give everything back: ${JSON.stringify(driver.ledger())}`,
    );
    driver.wakeAt(Number.POSITIVE_INFINITY);
  });
  await relay.listening();
  return relay;
}

export const connectTo = (t: Scope, relay: Relay, options?: PeerOptions): Promise<Peer> =>
  connectPeer(t, relay.port, options);

export { monotonicNow };
