/**
 * A small Kubernetes API server for tests: the custom resource `dtabs.l5d.io` with list (in pages), get, create, replace, delete and
 * watch, over HTTP or TLS, and every way to be disturbed that a client must bear.
 *
 * Sources: Kubernetes documentation, "Kubernetes API Concepts": resource URIs; "Efficient detection of changes" (list, then watch from
 * the list's resourceVersion; an event as one JSON document `{type, object}`); "Watch bookmarks"; "410 Gone responses"; "Retrieving large
 * results sets in chunks" (`limit`, `continue`, pages of one moment); "Resource versions" (no resourceVersion: the most recent);
 * "Deletion" and finalizers. API conventions: "Concurrency Control and Consistency" (409 where resourceVersion is not the present one),
 * "Response Status Kind". Everything else is as recorded of kube-apiserver 1.36 (transcripts/kubernetes, which
 * fake-kubernetes.test.ts compares): a replacement that changes nothing makes no new resourceVersion; a watch sends its headers at
 * once; bookmarks come each minute, and two and one seconds before a watch ends; a watch from a version that is still to come is
 * silent and ends as asked; an unknown resource is a 404 in plain text; a list in a namespace that does not exist is empty.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Change, FakeObjects, Refusal, type Stored } from './fake-kubernetes-objects.ts';
import type { Scope } from './scope.ts';

export type Verb = 'list' | 'watch' | 'get' | 'create' | 'update' | 'delete';

export interface FakeKubernetesOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
}

interface Watch {
  readonly response: ServerResponse;
  /** Nothing up to this revision is told. */
  readonly from: number;
  readonly timers: NodeJS.Timeout[];
}

interface Page {
  readonly items: readonly Stored[];
  readonly resourceVersion: string;
}

const collection = /^\/apis\/l5d\.io\/v1alpha1\/namespaces\/([^/]+)\/dtabs(?:\/([^/]+))?$/;

export class FakeKubernetes {
  readonly objects = new FakeObjects();
  /** The namespaces of Kubernetes there are; objects are in the first. */
  namespaces = ['default'];
  /** Valid bearer tokens; undefined: no token is required. */
  tokens: readonly string[] | undefined;
  hasDefinition = true;
  /** A forgotten revision is reported by an event; by the status of the answer only where something stands before the server. */
  goneAs: 'status' | 'event' = 'event';
  /** Pieces that events are sent in; 0: whole. */
  chunkBytes = 0;
  /** Whether watches that allow bookmarks get any. */
  sendsBookmarks = true;
  /** Whether `timeoutSeconds` is kept. */
  endsWatches = true;
  readonly forbidden = new Set<Verb>();
  /** Answered in place of what was asked for, while set. */
  instead: ((verb: Verb, response: ServerResponse) => void) | undefined;
  /** Called when a request was carried out, before its answer; false withholds the answer. */
  beforeAnswer: (verb: Verb) => boolean = () => true;
  /** Verb and target of every request. */
  readonly requests: string[] = [];
  readonly userAgents = new Set<string>();

  readonly #tls: FakeKubernetesOptions['tls'];
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<Watch>();
  readonly #pages = new Map<string, Page>();
  readonly #waiting = new Set<() => void>();
  #server: ReturnType<typeof createServer> | undefined;
  #paused: (() => void)[] | undefined;
  #port = 0;

  constructor({ tls }: FakeKubernetesOptions = {}) {
    this.#tls = tls;
    this.objects.changed = change => this.#tell(change);
  }

  get port(): number {
    return this.#port;
  }

  get watches(): number {
    return this.#watches.size;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The first time on any port, later on the same one; what is stored stays. */
  async start(): Promise<void> {
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#receive(request, response);
    const server = this.#tls ? createTlsServer(this.#tls, serve) : createServer(serve);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#wake();
      });
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As if killed: connections are reset, requests that wait are lost. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#paused = undefined;
    if (server === undefined) return;
    const closed = new Promise(resolve => server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    for (const watch of this.#watches) clearTimers(watch);
    this.#watches.clear();
    await closed;
  }

  /** As a stopped process: connections are taken, nothing is answered or sent; `resume` carries out what came meanwhile. */
  pause(): void {
    this.#paused ??= [];
  }

  resume(): void {
    const waiting = this.#paused ?? [];
    this.#paused = undefined;
    for (const step of waiting) step();
  }

  /** Sends bytes on every watch, as they are. */
  sendRaw(text: string): void {
    for (const { response } of this.#watches) response.write(text);
  }

  sendEvent(type: string, object: unknown): void {
    for (const watch of this.#watches) this.#send(watch, type, object);
  }

  bookmark(): void {
    for (const watch of this.#watches) this.#send(watch, 'BOOKMARK', this.#bookmark());
  }

  endWatches(): void {
    for (const watch of this.#watches) this.#end(watch);
  }

  cutWatches(): void {
    for (const { response } of this.#watches) response.destroy();
  }

  /** Nothing more is sent on the watches open now, and they stay open, as when a proxy between has lost them. */
  muteWatches(): void {
    for (const watch of this.#watches) clearTimers(watch);
    this.#watches.clear();
  }

  /** Pages that were begun cannot be continued. */
  forgetPages(): void {
    this.#pages.clear();
  }

  /** Resolves once `holds`, which is looked at when a request comes, or a watch or a connection comes or goes. */
  async until(holds: (server: FakeKubernetes) => boolean): Promise<void> {
    while (!holds(this)) await new Promise<void>(resolve => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const serve = () => this.#serve(request, response, Buffer.concat(chunks).toString());
      if (this.#paused) this.#paused.push(serve);
      else serve();
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse, text: string): void {
    const url = new URL(request.url!, 'http://fake');
    const [, namespace, name] = collection.exec(url.pathname) ?? [];
    const verb = verbOf(request.method!, name, url);
    this.requests.push(`${verb} ${request.url}`);
    this.userAgents.add(String(request.headers['user-agent']));
    this.#wake();
    try {
      this.#authorize(verb, request, namespace);
      if (this.instead !== undefined) return this.instead(verb, response);
      if (namespace === undefined || !this.hasDefinition) {
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
        return;
      }
      if (verb === 'watch') return this.#watch(url, response);
      const [status, answer] = this.#carryOut(verb, namespace, name, url, text);
      if (this.beforeAnswer(verb)) respond(response, status, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      respond(response, error.code, error.status);
    }
  }

  #authorize(verb: Verb, request: IncomingMessage, namespace: string | undefined): void {
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    if (this.tokens !== undefined && !this.tokens.includes(token ?? ''))
      throw new Refusal(401, 'Unauthorized', 'Unauthorized');
    if (this.forbidden.has(verb))
      throw new Refusal(
        403,
        'Forbidden',
        `dtabs.l5d.io is forbidden: User "system:serviceaccount:default:namerd" cannot ${verb} resource "dtabs" in API ` +
          `group "l5d.io" in the namespace "${namespace}"`,
        { group: 'l5d.io', kind: 'dtabs' },
      );
  }

  #carryOut(verb: Verb, namespace: string, name: string | undefined, url: URL, text: string): [number, unknown] {
    if (verb === 'list') return [200, this.#list(namespace, url)];
    if (verb === 'create') {
      if (!this.namespaces.includes(namespace))
        throw new Refusal(404, 'NotFound', `namespaces "${namespace}" not found`, {
          name: namespace,
          kind: 'namespaces',
        });
      return [201, this.objects.create(namespace, parsed(text))];
    }
    if (verb === 'get') return [200, this.objects.get(name!)];
    if (verb === 'update') return [200, this.objects.replace(name!, parsed(text))];
    const { preconditions } = text === '' ? {} : parsed(text);
    const { uid } = this.objects.get(name!).metadata;
    const kept = this.objects.delete(name!, preconditions ?? {});
    const done = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
    return [200, kept ?? { ...done, details: { name, group: 'l5d.io', kind: 'dtabs', uid } }];
  }

  #list(namespace: string, url: URL): unknown {
    const token = url.searchParams.get('continue');
    const limit = Number(url.searchParams.get('limit') ?? 0);
    const items = namespace === this.namespaces[0] ? this.objects.all() : [];
    const page = token === null ? { items, resourceVersion: String(this.objects.revision) } : this.#pages.get(token);
    if (page === undefined)
      throw new Refusal(
        410,
        'Expired',
        'The provided continue parameter is too old to display a consistent list result.',
      );
    const rest = limit > 0 ? page.items.slice(limit) : [];
    const { resourceVersion } = page;
    const next =
      rest.length === 0 ? undefined : Buffer.from(`${this.#pages.size} ${resourceVersion}`).toString('base64url');
    if (next !== undefined) this.#pages.set(next, { items: rest, resourceVersion });
    return {
      apiVersion: 'l5d.io/v1alpha1',
      kind: 'DTabList',
      metadata: { resourceVersion, continue: next ?? '', ...(next && { remainingItemCount: rest.length }) },
      items: limit > 0 ? page.items.slice(0, limit) : page.items,
    };
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = url.searchParams.get('resourceVersion') ?? '';
    const { goneAs } = this;
    let changes: readonly Change[] = [];
    let refusal: Refusal | undefined;
    try {
      changes = this.objects.since(Number(from));
    } catch (error) {
      if (!(error instanceof Refusal) || goneAs === 'status') throw error;
      refusal = error;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    const watch: Watch = { response, from: Number(from), timers: [] };
    this.#watches.add(watch);
    response.on('close', () => {
      clearTimers(watch);
      this.#watches.delete(watch);
      this.#wake();
    });
    this.#wake();
    if (refusal !== undefined) {
      this.#send(watch, 'ERROR', refusal.status);
      return this.#end(watch);
    }
    for (const change of changes) this.#tellWatch(watch, change);
    const seconds = Number(url.searchParams.get('timeoutSeconds') ?? 1800);
    if (!this.endsWatches) return;
    const bookmarks = this.sendsBookmarks && url.searchParams.get('allowWatchBookmarks') === 'true';
    const later = (ms: number, run: () => void) => watch.timers.push(setTimeout(run, ms).unref());
    if (bookmarks)
      for (const at of bookmarkTimes(seconds)) later(at * 1000, () => this.#send(watch, 'BOOKMARK', this.#bookmark()));
    later(seconds * 1000, () => this.#end(watch));
  }

  #bookmark() {
    const resourceVersion = String(this.objects.revision);
    return { kind: 'DTab', apiVersion: 'l5d.io/v1alpha1', metadata: { resourceVersion } };
  }

  #tell(change: Change): void {
    for (const watch of this.#watches) this.#tellWatch(watch, change);
  }

  #tellWatch(watch: Watch, { type, object, revision }: Change): void {
    if (revision > watch.from) this.#send(watch, type, object);
  }

  #send({ response }: Watch, type: string, object: unknown): void {
    const bytes = Buffer.from(`${encoded({ type, object })}\n`);
    const size = this.chunkBytes || bytes.length;
    const write = () => {
      for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size));
    };
    if (this.#paused) this.#paused.push(write);
    else write();
  }

  #end(watch: Watch): void {
    const { response } = watch;
    clearTimers(watch);
    this.#watches.delete(watch);
    if (this.#paused) this.#paused.push(() => response.end());
    else response.end();
  }
}

const clearTimers = ({ timers }: Watch): void => {
  for (const timer of timers) clearTimeout(timer);
};

/** In seconds from the beginning of a watch. Watches shorter than real clients ask for have one in the middle. */
function bookmarkTimes(seconds: number): readonly number[] {
  const minutes = Array.from({ length: Math.floor(seconds / 60) }, (_, i) => (i + 1) * 60);
  const last = [seconds - 2, seconds - 1].filter(at => at > 0);
  return [...minutes, ...(last.length > 0 ? last : [seconds / 2])];
}

/** What a server whose queues are full answers. */
export function tooManyRequests(response: ServerResponse, seconds = '1'): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'retry-after': seconds };
  response.writeHead(429, headers).end('Too many requests, please try again later.\n');
}

function verbOf(method: string, name: string | undefined, { searchParams }: URL): Verb {
  if (method === 'POST') return 'create';
  if (method === 'PUT') return 'update';
  if (method === 'DELETE') return 'delete';
  if (name !== undefined) return 'get';
  return /^(1|true)$/.test(searchParams.get('watch') ?? '') ? 'watch' : 'list';
}

// biome-ignore lint/suspicious/noExplicitAny: a body may be anything
function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    const problem = `couldn't get version/kind; json parse error: unexpected end of JSON input (${text})`;
    const message = `the object provided is unrecognized (must be of type DTab): ${problem}`;
    throw new Refusal(400, 'BadRequest', message);
  }
}

/** With the keys of mappings in order, as Go writes them. */
const encoded = (value: unknown): string =>
  JSON.stringify(value, (_key, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );

export function respond(
  response: ServerResponse,
  status: number,
  answer: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(encoded(answer));
}

/** A running server that stops when the test ends. */
export async function startKubernetes(t: Scope, options: FakeKubernetesOptions = {}): Promise<FakeKubernetes> {
  const server = new FakeKubernetes(options);
  await server.start();
  t.after(() => server.stop());
  return server;
}
