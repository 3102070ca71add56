/**
 * The peers of a storm, in a process of their own: its clients, and the upstreams the proxy connects to.
 *
 * Told to, it plays the storm of a seed and reports what the two sides of each connection have seen. Between storms the upstreams
 * echo.
 */
import { once } from 'node:events';
import net from 'node:net';
import { seededRandom } from '../balancer/seeded.ts';
import {
  connectionsPerStorm,
  planStorm,
  type SideName,
  type StormPlan,
  scriptOf,
  upstreamListeners,
} from './storm-plan.ts';
import { StormSide } from './storm-side.ts';
import { judge, type Verdict } from './storm-verdict.ts';
import { until } from './waiting.ts';

export type ToPeers =
  /** From now on the upstreams follow the scripts of this storm. */
  | { readonly type: 'prepare'; readonly seed: number; readonly port: number }
  /** Start the clients. */
  | { readonly type: 'play' }
  /** The proxy has let go of the connections it had made in advance: the upstreams' side will end now. */
  | { readonly type: 'conclude' };

export type FromPeers =
  | { readonly type: 'listening'; readonly ports: readonly number[] }
  | { readonly type: 'prepared' | 'clients-over' }
  | { readonly type: 'over'; readonly report: StormReport }
  | { readonly type: 'failed'; readonly text: string };

export interface StormReport extends Omit<Verdict, 'problems'> {
  readonly connected: number;
  readonly upstreams: number;
  readonly killed: number;
  readonly mostAtOnce: number;
  /** Received by both sides together. */
  readonly bytes: number;
  readonly problemCount: number;
  /** The first ones. */
  readonly problems: readonly string[];
}

const startsPerTurn = 200;
const shownProblems = 10;
const stormTimeoutMs = 60_000;

class Storm {
  readonly clients: StormSide[] = [];
  readonly upstreams: StormSide[] = [];
  readonly openClients = new Set<StormSide>();
  readonly openUpstreams = new Set<StormSide>();
  readonly seed: number;
  readonly plan: StormPlan;
  readonly #port: number;
  readonly #random: () => number;
  readonly #outages: Promise<void>[] = [];
  readonly #due: { after: number; happen: () => void }[] = [];
  #killed = 0;
  #mostAtOnce = 0;
  #isFilling = false;

  constructor(seed: number, port: number) {
    this.seed = seed;
    this.plan = planStorm(seed);
    this.#port = port;
    this.#random = seededRandom(seed);
    for (const kill of this.plan.kills) this.#due.push({ after: kill.after, happen: () => this.#kill(kill) });
    for (const { after, listeners, ms } of this.plan.outages) {
      const happen = (): void => void this.#outages.push(...listeners.map(index => interrupt(index, ms)));
      this.#due.push({ after, happen });
    }
    this.#due.sort((a, b) => a.after - b.after);
  }

  /** Resolves when every client has come and gone. */
  async playClients(): Promise<void> {
    this.#fill();
    await until(
      () => this.clients.length === connectionsPerStorm && this.openClients.size === 0,
      () => `${this.openClients.size} clients to end, ${connectionsPerStorm - this.clients.length} to start`,
      { timeoutMs: stormTimeoutMs, everyMs: 5 },
    );
    await Promise.all(this.#outages);
  }

  async conclude(): Promise<StormReport> {
    await until(
      () => this.openUpstreams.size === 0,
      () => `${this.openUpstreams.size} upstream connections to end, though all clients have`,
      { everyMs: 5 },
    );
    const { problems, ...rest } = judge(this.clients, this.upstreams, this.plan.minConnections > 0);
    const sum = (sides: readonly StormSide[]): number => sides.reduce((bytes, { received }) => bytes + received, 0);
    return {
      ...rest,
      connected: this.clients.filter(({ port }) => port > 0).length,
      upstreams: this.upstreams.length,
      killed: this.#killed,
      mostAtOnce: this.#mostAtOnce,
      bytes: sum(this.clients) + sum(this.upstreams),
      problemCount: problems.length,
      problems: problems.slice(0, shownProblems),
    };
  }

  accept(socket: net.Socket): void {
    this.#join('upstream', this.upstreams, this.openUpstreams, socket, () => {});
  }

  #fill(): void {
    this.#isFilling = false;
    for (let n = 0; n < startsPerTurn && this.#hasRoom; n++) {
      const socket = net.connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      this.#join('client', this.clients, this.openClients, socket, () => this.#clientOver());
    }
    this.#mostAtOnce = Math.max(this.#mostAtOnce, this.openClients.size);
    this.#fillSoon();
  }

  #clientOver(): void {
    const ended = this.clients.length - this.openClients.size;
    while (this.#due.length > 0 && this.#due[0].after <= ended) this.#due.shift()?.happen();
    this.#fillSoon();
  }

  get #hasRoom(): boolean {
    return this.clients.length < connectionsPerStorm && this.openClients.size < this.plan.atOnce;
  }

  #fillSoon(): void {
    if (this.#isFilling || !this.#hasRoom) return;
    this.#isFilling = true;
    setImmediate(() => this.#fill());
  }

  #join(name: SideName, all: StormSide[], open: Set<StormSide>, socket: net.Socket, onOver: () => void): void {
    const index = all.length;
    const id = ((this.seed % 0x8000) * 2 + (name === 'client' ? 0 : 1)) * 0x1_0000 + index;
    const side = new StormSide(id, scriptOf(this.seed, name, index), socket, () => {
      open.delete(side);
      onOver();
    });
    all.push(side);
    open.add(side);
  }

  #kill({ sides, share }: StormPlan['kills'][number]): void {
    const doomed = [
      ...(sides === 'upstreams' ? [] : this.openClients),
      ...(sides === 'clients' ? [] : this.openUpstreams),
    ].filter(() => this.#random() < share);
    this.#killed += doomed.length;
    for (const side of doomed) side.kill();
  }
}

let storm: Storm | undefined;
const servers: net.Server[] = [];
const ports: number[] = [];

/**
 * The port is fixed, and below the range from which the system takes local ports: while no process listens, a proxy that
 * connects to a port of that range could be connected to itself.
 */
async function listen(index: number, port: number): Promise<void> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    if (storm) storm.accept(socket);
    else socket.on('error', () => socket.destroy()).pipe(socket);
  });
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  servers[index] = server;
  ports[index] = port;
}

async function listenSomewhere(index: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(index, 10_000 + Math.floor(Math.random() * 20_000));
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

/** Stops listening for a while; the kernel resets connections that wait to be accepted. */
async function interrupt(index: number, ms: number): Promise<void> {
  const server = servers[index];
  if (!server.listening) return;
  server.close();
  await new Promise(resolve => setTimeout(resolve, ms));
  await until(
    () =>
      listen(index, ports[index]).then(
        () => true,
        () => false,
      ),
    `port ${ports[index]} to be free again`,
    { everyMs: 5 },
  );
}

function tell(message: FromPeers): void {
  process.send?.(message);
}

async function hear(message: ToPeers): Promise<void> {
  if (message.type === 'prepare') {
    storm = new Storm(message.seed, message.port);
    return tell({ type: 'prepared' });
  }
  if (!storm) throw new Error(`${message.type} before a storm was prepared`);
  if (message.type === 'play') {
    await storm.playClients();
    return tell({ type: 'clients-over' });
  }
  const report = await storm.conclude();
  storm = undefined;
  tell({ type: 'over', report });
}

for (let index = 0; index < upstreamListeners; index++) await listenSomewhere(index);
process.on('message', (message: ToPeers) => {
  hear(message).catch(error => tell({ type: 'failed', text: String(error) }));
});
process.on('disconnect', () => process.exit());
tell({ type: 'listening', ports });
