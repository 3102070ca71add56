/**
 * A Consul server, as far as its documentation of the HTTP API describes these (developer.hashicorp.com/consul/api-docs):
 *   - KV Store, "Read Key": `recurse`, `keys` with `separator`, `raw`; 404 with an index if there is nothing; "Create/Update
 *     Key": `flags`, `cas`; "Delete Key": `recurse`, `cas`; a value has at most 512 KiB
 *   - Transactions, "Create Transaction": KV verbs, results without values but of `get`, 409 with the operations that failed
 *   - Blocking Queries: `index`, `wait` (10 minutes at most, and up to a sixteenth more), X-Consul-Index; an answer is no promise
 *     of a change; an index may go backwards
 *   - Consistency Modes: `stale` and `consistent`, X-Consul-KnownLeader, X-Consul-LastContact; without a leader stale reads continue
 *   - ACL: X-Consul-Token; 403 `ACL not found` and `Permission denied`, inside a transaction as an error of the operation with 409;
 *     a list omits what may not be read, with X-Consul-Results-Filtered-By-ACLs unless the request was anonymous
 * and no further. Where a real 1.8.7 was seen to differ, it is followed: a request to `/v1/txn` has at most 512 KiB as a whole
 * (`limits.txn_max_req_len`), a negative index is 400, another method on an endpoint is 405; with `version: '1.8.7'` there is no
 * X-Consul-Results-Filtered-By-ACLs, and a denial is a bare "Permission denied". Every control takes and gives plain JSON, so that the server can also run in a process of its own
 * (consul-process.ts), where what was acknowledged is on disk, as Raft's log is.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  apply,
  emptyKv,
  get,
  type KvEntry,
  type KvOperation,
  type KvState,
  type Listing,
  list,
} from './fake-consul-kv.ts';

export interface FakeConsulOptions {
  /** PEM texts; without them the server speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A file of every write, read again at start. */
  readonly log?: string;
  /** 1.20.1 unless given. */
  readonly version?: '1.8.7' | '1.20.1';
}

/** The rights of a token, or of a request without one, on keys with this prefix. */
export interface Rights {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface Fault {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly token: string | undefined;
}

interface Blocked {
  /** Answers if there is something later, or anyway. */
  readonly look: (anyway: boolean) => void;
}

const maxWaitMs = 600_000;
const defaultWaitMs = 300_000;
const maxValueBytes = 512 * 1024;
const maxTransactionBytes = 512 * 1024;
const maxOperations = 64;
const writes = new Set(['set', 'cas', 'delete', 'delete-cas']);

export class FakeConsul {
  readonly #options: FakeConsulOptions;
  readonly #sockets = new Set<Socket>();
  readonly #blocked = new Set<Blocked>();
  readonly #requests: Seen[] = [];
  readonly #saved = new Map<string, KvState>();
  #state: KvState = emptyKv;
  /** The state of a server that lags behind. */
  #lagging: KvState | undefined;
  #server: Server | undefined;
  #port = 0;
  #rights: ReadonlyMap<string, Rights> | undefined;
  #hasLeader = true;
  #isHanging = false;
  #fault: Fault | undefined;
  #writeFault: Fault | undefined;

  constructor(options: FakeConsulOptions = {}) {
    this.#options = options;
    if (options.log !== undefined && existsSync(options.log))
      for (const line of readFileSync(options.log, 'utf8').split('\n').slice(0, -1)) this.#apply(JSON.parse(line));
  }

  get port(): number {
    return this.#port;
  }

  /** Listens: the first time on any port, later on the same one. */
  async start(port = this.#port): Promise<number> {
    const { tls } = this.#options;
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    const server = tls ? createTlsServer(tls, serve) : createServer(serve);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Cuts every connection and refuses new ones; what was written stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise(resolve => server.close(resolve));
    this.cut();
    await closed;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Writes as another program would. @returns the index of the write */
  set(key: string, value: string, flags = 0): number {
    this.#write([{ Verb: 'set', Key: key, Value: Buffer.from(value).toString('base64'), Flags: flags }]);
    return this.#state.entries.get(key)!.ModifyIndex;
  }

  delete(key: string): void {
    this.#write([{ Verb: 'delete', Key: key }]);
  }

  entry(key: string): KvEntry | undefined {
    return this.#state.entries.get(key);
  }

  value(key: string): string | undefined {
    const entry = this.#state.entries.get(key);
    return entry && Buffer.from(entry.Value ?? '', 'base64').toString('utf8');
  }

  /** Forgets removals, as every server does after a while. */
  reapTombstones(): void {
    this.#replace({ ...this.#state, tombstones: new Map() });
  }

  /** `consul snapshot save` */
  save(name: string): void {
    this.#saved.set(name, this.#state);
  }

  /** `consul snapshot restore`: what was, with the indices it had; Raft's own index continues. */
  restore(name: string): void {
    this.#replace({ ...this.#saved.get(name)!, raftIndex: this.#state.raftIndex + 1 });
  }

  /** A cluster made anew, which counts from the start. */
  wipe(): void {
    this.#replace(emptyKv);
  }

  /** Without one, stale reads continue, and do not see later changes. */
  setLeader(hasLeader: boolean): void {
    this.#hasLeader = hasLeader;
    this.#wake(true);
  }

  /** Stale reads are answered by a server that hears of nothing from now on. */
  setLagging(isLagging: boolean): void {
    this.#lagging = isLagging ? this.#state : undefined;
    this.#wake(false);
  }

  /** Accepts requests and never answers. */
  setHanging(isHanging: boolean): void {
    this.#isHanging = isHanging;
  }

  /** Answers everything, or only writes, with this; questions that are open as well. Null heals it. */
  setFault(fault: Fault | null, only: 'all' | 'writes' = 'all'): void {
    if (only === 'writes') this.#writeFault = fault ?? undefined;
    else this.#fault = fault ?? undefined;
    this.#wake(true);
  }

  /** Rights by token, `anonymous` for requests without one; null turns ACLs off. */
  setRights(rights: Readonly<Record<string, Rights>> | null): void {
    this.#rights = rights === null ? undefined : new Map(Object.entries(rights));
    this.#wake(true);
  }

  requests(): readonly Seen[] {
    return [...this.#requests];
  }

  forgetRequests(): void {
    this.#requests.length = 0;
  }

  /** Questions that wait for a change. */
  blocked(): number {
    return this.#blocked.size;
  }

  connections(): number {
    return this.#sockets.size;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const body = await text(request).catch(() => '');
    const target = new URL(url, 'http://consul');
    const token = target.searchParams.get('token') ?? (request.headers['x-consul-token'] as string | undefined);
    this.#requests.push({ method, url, token });
    if (this.#isHanging) return;
    const fault = this.#fault ?? (method === 'GET' ? undefined : this.#writeFault);
    if (fault !== undefined) return answer(response, fault.status, fault.body, fault.headers);
    if (token !== undefined && this.#rights?.has(token) === false) return answer(response, 403, 'ACL not found');
    const query = target.searchParams;
    const dc = query.get('dc');
    if (dc !== null && dc !== 'dc1') return answer(response, 500, 'No path to datacenter');
    const key = decodeURIComponent(target.pathname.replace(/^\/v1\/kv\//, ''));
    if (target.pathname === '/v1/txn' && method === 'PUT') return this.#transact(response, token, body);
    if (target.pathname === '/v1/txn') return refuseMethod(response, method, 'PUT');
    if (target.pathname === '/v1/agent/self' && method === 'GET') return this.#self(response, token);
    if (!target.pathname.startsWith('/v1/kv/'))
      return answer(response, 404, `Invalid URL path: not a recognized HTTP API endpoint`);
    if (method === 'GET') return this.#get(response, token, key, query);
    if (method === 'PUT') return this.#put(response, token, key, query, body);
    if (method === 'DELETE') return this.#remove(response, token, key, query);
    refuseMethod(response, method, 'GET,PUT,DELETE');
  }

  get #version(): string {
    return this.#options.version ?? '1.20.1';
  }

  /** Needs `agent:read`, which `"agent"` in the rights to read stands for. */
  #self(response: ServerResponse, token: string | undefined): void {
    if (this.#may('read', token, 'agent')) json(response, 200, { Config: { Version: this.#version } });
    else answer(response, 403, this.#denial('agent:read', 'agent'));
  }

  #denial(right: string, key: string): string {
    const isOld = this.#version === '1.8.7';
    return isOld ? 'Permission denied' : `Permission denied: token lacks permission '${right}' on "${key}"`;
  }

  #get(response: ServerResponse, token: string | undefined, key: string, query: URLSearchParams): void {
    const [isStale, isConsistent] = [query.has('stale'), query.has('consistent')];
    if (isStale && isConsistent)
      return answer(response, 400, 'Cannot specify ?stale with ?consistent, conflicting semantics.');
    const isList = query.has('recurse') || query.has('keys');
    if (key === '' && !isList) return answer(response, 400, 'Missing key name');
    const least = Number(query.get('index') ?? 0);
    const wait = durationMs(query.get('wait'));
    if (!Number.isSafeInteger(least) || least < 0) return answer(response, 400, 'Invalid index');
    if (wait === undefined) return answer(response, 400, 'Invalid wait time');
    let deadline: NodeJS.Timeout | undefined;
    const blocked: Blocked = {
      look: anyway => {
        const fault = this.#fault;
        const state = (isStale ? this.#lagging : undefined) ?? this.#state;
        const found = isList ? list(state, key) : get(state, key);
        if (!anyway && least > 0 && found.index <= least) return;
        this.#blocked.delete(blocked);
        clearTimeout(deadline);
        if (fault !== undefined) return answer(response, fault.status, fault.body, fault.headers);
        if (!this.#hasLeader && !isStale) return answer(response, 500, 'No cluster leader');
        if (!isList && !this.#may('read', token, key)) return answer(response, 403, this.#denial('key:read', key));
        this.#tell(response, token, key, query, found);
      },
    };
    this.#blocked.add(blocked);
    response.on('close', () => {
      this.#blocked.delete(blocked);
      clearTimeout(deadline);
    });
    const waitMs = Math.min(wait, maxWaitMs);
    if (least > 0) deadline = setTimeout(() => blocked.look(true), waitMs + (Math.random() * waitMs) / 16);
    blocked.look(!this.#hasLeader && !isStale);
  }

  #tell(
    response: ServerResponse,
    token: string | undefined,
    prefix: string,
    query: URLSearchParams,
    found: Listing,
  ): void {
    const entries = found.entries.filter(({ Key }) => this.#may('read', token, Key));
    const tellsFiltered = token !== undefined && this.#version !== '1.8.7';
    const isFiltered = tellsFiltered && entries.length < found.entries.length;
    const headers = {
      'x-consul-index': String(found.index),
      'x-consul-knownleader': String(this.#hasLeader),
      'x-consul-lastcontact': this.#hasLeader ? '0' : '5000',
      ...(isFiltered && { 'x-consul-results-filtered-by-acls': 'true' }),
    };
    if (entries.length === 0) return answer(response, 404, '', headers);
    if (query.has('keys')) {
      const separator = query.get('separator') ?? '';
      const upTo = (key: string) => {
        const at = separator === '' ? -1 : key.indexOf(separator, prefix.length);
        return at < 0 ? key : key.slice(0, at + separator.length);
      };
      return json(response, 200, [...new Set(entries.map(({ Key }) => upTo(Key)))], headers);
    }
    const [first] = entries as [KvEntry];
    if (query.has('raw') && !query.has('recurse'))
      return answer(response, 200, Buffer.from(first.Value ?? '', 'base64').toString('utf8'), headers);
    json(response, 200, entries, headers);
  }

  #put(response: ServerResponse, token: string | undefined, key: string, query: URLSearchParams, body: string): void {
    if (!this.#mayWrite(response, token, key)) return;
    if (Buffer.byteLength(body) > maxValueBytes)
      return answer(
        response,
        413,
        `Request body(${Buffer.byteLength(body)} bytes) too large, max size: ${maxValueBytes} bytes.`,
      );
    const cas = query.get('cas');
    const operation: KvOperation = {
      Verb: cas === null ? 'set' : 'cas',
      Key: key,
      Value: Buffer.from(body).toString('base64'),
      Flags: Number(query.get('flags') ?? 0),
      ...(cas !== null && { Index: Number(cas) }),
    };
    json(response, 200, this.#write([operation]).errors.length === 0);
  }

  #remove(response: ServerResponse, token: string | undefined, key: string, query: URLSearchParams): void {
    if (!this.#mayWrite(response, token, key)) return;
    const cas = query.get('cas');
    if (query.has('recurse')) this.#write(list(this.#state, key).entries.map(({ Key }) => ({ Verb: 'delete', Key })));
    const operation =
      cas === null ? { Verb: 'delete', Key: key } : { Verb: 'delete-cas', Key: key, Index: Number(cas) };
    json(response, 200, query.has('recurse') || this.#write([operation]).errors.length === 0);
  }

  #transact(response: ServerResponse, token: string | undefined, body: string): void {
    const length = Buffer.byteLength(body);
    if (length > maxTransactionBytes) {
      const words = `Request body(${length} bytes) too large, max size: ${maxTransactionBytes} bytes.`;
      return answer(response, 413, `${words} See https://www.consul.io/docs/agent/options.html#txn_max_req_len.`);
    }
    let operations: readonly KvOperation[];
    try {
      operations = (JSON.parse(body) as { KV: KvOperation }[]).map(({ KV }) => KV);
    } catch (error) {
      return answer(response, 400, `Failed to parse body: ${error}`);
    }
    if (operations.length > maxOperations)
      return answer(
        response,
        413,
        `Transaction contains too many operations (${operations.length} > ${maxOperations})`,
      );
    for (const { Key, Value } of operations) {
      const size = Buffer.from(Value ?? '', 'base64').length;
      if (size > maxValueBytes)
        return answer(response, 413, `Value for key "${Key}" is too large (${size} > ${maxValueBytes} bytes)`);
    }
    if (!this.#hasLeader) return answer(response, 500, 'No cluster leader');
    const denied = operations.flatMap(({ Verb, Key }, OpIndex) =>
      writes.has(Verb) && !this.#may('write', token, Key) ? [{ OpIndex, What: this.#denial('key:write', Key) }] : [],
    );
    if (denied.length > 0) return json(response, 409, { Results: null, Errors: denied });
    const { results, errors } = this.#write(operations);
    if (errors.length > 0) return json(response, 409, { Results: null, Errors: errors });
    const told = results.filter(({ Key }) => this.#may('read', token, Key));
    json(response, 200, { Results: told.map(KV => ({ KV })), Errors: null });
  }

  #mayWrite(response: ServerResponse, token: string | undefined, key: string): boolean {
    const isDenied = !this.#may('write', token, key);
    if (!this.#hasLeader) answer(response, 500, 'No cluster leader');
    else if (isDenied) answer(response, 403, this.#denial('key:write', key));
    return this.#hasLeader && !isDenied;
  }

  #may(what: keyof Rights, token: string | undefined, key: string): boolean {
    if (this.#rights === undefined) return true;
    const rights = this.#rights.get(token ?? 'anonymous');
    const prefixes = rights === undefined ? [] : what === 'write' ? rights.write : [...rights.read, ...rights.write];
    return prefixes.some(prefix => key.startsWith(prefix));
  }

  #write(operations: readonly KvOperation[]): ReturnType<typeof apply> {
    if (this.#options.log !== undefined) appendFileSync(this.#options.log, `${JSON.stringify(operations)}\n`);
    const applied = this.#apply(operations);
    this.#wake(false);
    return applied;
  }

  #apply(operations: readonly KvOperation[]): ReturnType<typeof apply> {
    const applied = apply(this.#state, operations);
    this.#state = applied.state;
    return applied;
  }

  /** Questions that are open are answered with what was before. */
  #replace(state: KvState): void {
    this.#wake(true);
    this.#state = state;
  }

  #wake(anyway: boolean): void {
    for (const blocked of [...this.#blocked]) blocked.look(anyway);
  }
}

/** Go's notation, as far as it is used here; 5 minutes where nothing is given. */
function durationMs(given: string | null): number | undefined {
  if (given === null || given === '') return defaultWaitMs;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(given) ?? [];
  return unit === undefined ? undefined : Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
}

function answer(response: ServerResponse, status: number, body: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(body);
}

function refuseMethod(response: ServerResponse, method: string, allowed: string): void {
  answer(response, 405, `method ${method} not allowed`, { allow: allowed });
}

function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
