/**
 * A server that speaks namerd's HTTP API, for tests of its clients: it sends the answers that a test sets, in namerd's format, and can
 * be made to misbehave. Names are not evaluated: the tree of a name, the addresses of an id and the answer of `resolve` are set.
 * Every control takes and gives plain JSON, so that the server can also run in a process of its own (namerd-process.ts).
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { StoredDtabs } from './namerd-dtabs.ts';

export type Endpoint = 'bind' | 'addr' | 'resolve' | 'delegate' | 'dtabs';
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface OpenWatch {
  readonly endpoint: Endpoint;
  readonly path: string;
}

interface Watch extends OpenWatch {
  readonly key: string;
  readonly response: ServerResponse;
}

export const boundJson = (addresses: readonly string[], meta: Json = {}): Json => ({
  type: 'bound',
  addrs: addresses.map(address => {
    const colon = address.lastIndexOf(':');
    return { ip: address.slice(0, colon), port: Number(address.slice(colon + 1)), meta: {} };
  }),
  meta,
});

export const leafJson = (id: string, addr: Json = { type: 'neg' }, path = '/'): Json => ({
  type: 'leaf',
  bound: { addr, id, path },
});

export const unionJson = (...branches: readonly (readonly [weight: number, tree: Json])[]): Json => ({
  type: 'union',
  union: branches.map(([weight, tree]) => ({ weight, tree })),
});

export class NamerdServer {
  readonly #tls: { readonly key: string; readonly cert: string } | undefined;
  readonly #answers = new Map<string, Json>();
  readonly #dtabs = new StoredDtabs((ns, dtab) =>
    this.#set(
      `dtabs ${ns}`,
      dtab.map(dentry => ({ ...dentry })),
    ),
  );
  readonly #statuses = new Map<Endpoint, number>();
  readonly #watches = new Set<Watch>();
  readonly #sockets = new Set<Socket>();
  readonly #requests: string[] = [];
  readonly #waiting = new Set<() => void>();
  #server: Server | undefined;
  #port = 0;
  #hanging = false;
  #delayMs = 0;

  /** @param tls PEM texts; without them the server speaks plain HTTP */
  constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#tls = tls;
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens: the first time on any port, later on the same one. */
  async start(port = this.#port): Promise<number> {
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    const server = this.#tls ? createTlsServer(this.#tls, serve) : createServer(serve);
    server.on(this.#tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#changed();
      });
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Cuts every connection and refuses new ones; what was set stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise(resolve => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  setBind(ns: string, path: string, tree: Json): void {
    this.#set(`bind ${ns} ${path}`, tree);
  }

  /** `id` as a client asks for it, for every namespace. */
  setAddr(id: string, addr: Json): void {
    this.#set(`addr ${id}`, addr);
  }

  setResolve(ns: string, path: string, addr: Json): void {
    this.#set(`resolve ${ns} ${path}`, addr);
  }

  setDelegate(ns: string, path: string, tree: Json): void {
    this.#set(`delegate ${ns} ${path}`, tree);
  }

  setDtab(ns: string, text: string): void {
    this.#dtabs.put(ns, text);
  }

  /** Writes to every open watch, or to those of one endpoint. */
  write(text: string, endpoint?: Endpoint): void {
    for (const watch of this.#matching(endpoint)) watch.response.write(text);
  }

  /** Bytes as they are, e.g. half a character. */
  writeBytes(bytes: readonly number[], endpoint?: Endpoint): void {
    for (const watch of this.#matching(endpoint)) watch.response.write(Buffer.from(bytes));
  }

  heartbeat(): void {
    this.write('\n');
  }

  /** Fails a watch as namerd does: sends the reason as a line of text, then ends the stream. */
  failWatches(reason: string, endpoint?: Endpoint): void {
    for (const watch of this.#matching(endpoint)) watch.response.end(`${reason}\n`);
  }

  endWatches(endpoint?: Endpoint): void {
    for (const watch of this.#matching(endpoint)) watch.response.end();
  }

  cutWatches(endpoint?: Endpoint): void {
    for (const watch of this.#matching(endpoint)) watch.response.destroy();
  }

  /** Says nothing more on the watches open now and leaves them open, as a path that lost them does. */
  muteWatches(): void {
    this.#watches.clear();
  }

  /** Answers `endpoint` with this status and no body, as an old or a broken server does; 200 heals it. */
  setStatus(endpoint: Endpoint, status: number): void {
    if (status === 200) this.#statuses.delete(endpoint);
    else this.#statuses.set(endpoint, status);
  }

  /** Accepts requests and never answers. */
  setHanging(hanging: boolean): void {
    this.#hanging = hanging;
  }

  /** Thinks this long before every answer. */
  setDelay(ms: number): void {
    this.#delayMs = ms;
  }

  openWatches(): OpenWatch[] {
    return Array.from(this.#watches, ({ endpoint, path }) => ({ endpoint, path }));
  }

  openConnections(): number {
    return this.#sockets.size;
  }

  /** Method and target of every request since the start, e.g. `GET /api/1/bind/default?path=%2Fsvc%2Fa&watch=1`. */
  requests(): string[] {
    return [...this.#requests];
  }

  /** Resolves when `holds`, looked at whenever a request comes or a connection or watch opens or closes. */
  async until(holds: (server: NamerdServer) => boolean): Promise<void> {
    while (!holds(this)) await new Promise<void>(resolve => this.#waiting.add(resolve));
  }

  async untilWatches(count: number, endpoint?: Endpoint): Promise<void> {
    await this.until(() => this.#matching(endpoint).length === count);
  }

  async untilRequests(count: number): Promise<void> {
    await this.until(() => this.#requests.length >= count);
  }

  #changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #matching(endpoint: Endpoint | undefined): Watch[] {
    return Array.from(this.#watches).filter(watch => endpoint === undefined || watch.endpoint === endpoint);
  }

  /** Equal states in a row are written once, as namerd does. */
  #set(key: string, answer: Json): void {
    const isNew = JSON.stringify(this.#answers.get(key)) !== JSON.stringify(answer);
    this.#answers.set(key, answer);
    if (!isNew) return;
    for (const watch of this.#watches) if (watch.key === key) watch.response.write(`${JSON.stringify(answer)}\n`);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#requests.push(`${request.method} ${request.url}`);
    this.#changed();
    if (this.#hanging) return;
    if (this.#delayMs === 0) this.#answer(request, response);
    else setTimeout(() => this.#answer(request, response), this.#delayMs);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    if (/^\/api\/1\/dtabs(\/|$)/.test(url.pathname)) {
      const ns = url.pathname.slice('/api/1/dtabs'.length).replace(/^\//, '');
      if (ns !== '' && isWatch(url)) this.#watch({ endpoint: 'dtabs', path: ns, key: `dtabs ${ns}`, response });
      else void this.#dtabs.serve(ns, request, response);
      return;
    }
    const [, endpoint, ns] = /^\/api\/1\/(bind|addr|resolve|delegate)\/(.+)$/.exec(url.pathname) ?? [];
    const status = this.#statuses.get(endpoint as Endpoint);
    if (endpoint === undefined || status !== undefined) {
      response.writeHead(status ?? 404).end();
      return;
    }
    const path = url.searchParams.get('path');
    if (path === null || !path.startsWith('/')) {
      response.writeHead(400).end(`Invalid path: ${path} / '/' expected but '${path?.[0]}' found at '${path}'`);
      return;
    }
    this.#name(endpoint as Endpoint, ns, path, isWatch(url), response);
  }

  #name(endpoint: Endpoint, ns: string, path: string, isWatched: boolean, response: ServerResponse): void {
    const key = endpoint === 'addr' ? `addr ${path}` : `${endpoint} ${ns} ${path}`;
    const answer = this.#answers.get(key) ?? (endpoint === 'delegate' ? { type: 'neg', path } : { type: 'neg' });
    const headers = endpoint === 'bind' || endpoint === 'addr' ? {} : { 'content-type': 'application/json' };
    if (endpoint === 'delegate' || !isWatched) {
      response.writeHead(200, headers).end(JSON.stringify(answer) + (endpoint === 'delegate' ? '' : '\n'));
      return;
    }
    this.#watch({ endpoint, path, key, response }, headers, answer);
  }

  /** A namespace that is missing says nothing until it is made. */
  #watch(watch: Watch, headers: OutgoingHttpHeaders = {}, answer = this.#answers.get(watch.key)): void {
    this.#watches.add(watch);
    watch.response.on('close', () => {
      this.#watches.delete(watch);
      this.#changed();
    });
    watch.response.writeHead(200, headers).flushHeaders();
    if (answer !== undefined) watch.response.write(`${JSON.stringify(answer)}\n`);
    this.#changed();
  }
}

const isWatch = (url: URL): boolean => /^(1|t|true)$/i.test(url.searchParams.get('watch') ?? '');

/** A running server that stops when the test ends. */
export async function startNamerd(
  t: { after(done: () => Promise<void>): void },
  tls?: { readonly key: string; readonly cert: string },
): Promise<NamerdServer> {
  const server = new NamerdServer(tls);
  await server.start();
  t.after(() => server.stop());
  return server;
}
