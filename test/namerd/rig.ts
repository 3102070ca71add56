/** A namerd API for tests: a store in memory, a namer whose answers the test sets, and a client that takes everything apart. */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { BehaviorSubject, finalize, map, Observable } from 'rxjs';
import type { Dtab } from '../../src/dtab/dtab.ts';
import { parsePath } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { type Activity, ok } from '../../src/live/activity.ts';
import { systemClock } from '../../src/live/clock.ts';
import { Namespaces, type NamespacesOptions } from '../../src/namerd/core/namespaces.ts';
import type { ApiOptions } from '../../src/namerd/http/api-options.ts';
import { startApi } from '../../src/namerd/http/server.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import type { MountedNamer } from '../../src/naming/name.ts';
import { countedVersion } from '../../src/stores/embedded-store.ts';
import type {
  Authorship,
  DtabStore,
  HistoryPage,
  HistoryQuery,
  StoredVersion,
  Version,
  VersionedDtab,
} from '../../src/stores/store.ts';
import { FakeNamer } from '../support/fake-namer.ts';
import { fakeDns, type RecordedLog, recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { within } from '../support/waiting.ts';

/** The smallest store that keeps the contract, with knobs to make it fail. */
export class TestStore implements DtabStore {
  readonly #dtabs = new BehaviorSubject<ReadonlyMap<string, VersionedDtab>>(new Map());
  /** Newest first. */
  readonly #versions = new Map<string, StoredVersion[]>();
  /** Thrown by every write. */
  refusal: Error | undefined;
  /** Answer of reads, instead of the stored value. */
  readonly state = new BehaviorSubject<Activity<never> | undefined>(undefined);
  observers = 0;

  list(): Observable<Activity<readonly string[]>> {
    return this.#observed(all => [...all.keys()].sort());
  }

  observe(namespace: string): Observable<Activity<VersionedDtab | null>> {
    return this.#observed(all => all.get(namespace) ?? null);
  }

  async create(namespace: string, dtab: Dtab, authorship?: Authorship): Promise<Version> {
    if (this.#dtabs.value.has(namespace)) throw new LinkerdTcpError('STORE_EXISTS', { namespace });
    return this.#write(namespace, dtab, authorship);
  }

  async update(namespace: string, dtab: Dtab, version: Version | undefined, authorship?: Authorship): Promise<Version> {
    const stored = this.#dtabs.value.get(namespace);
    if (this.refusal) throw this.refusal;
    if (!stored) throw new LinkerdTcpError('STORE_MISSING', { namespace });
    if (version !== undefined && Buffer.compare(stored.version, version) !== 0)
      throw new LinkerdTcpError('STORE_CONFLICT', { namespace });
    return this.#write(namespace, dtab, authorship);
  }

  async put(namespace: string, dtab: Dtab, authorship?: Authorship): Promise<Version> {
    return this.#write(namespace, dtab, authorship);
  }

  async delete(namespace: string, _version?: Version, authorship?: Authorship): Promise<void> {
    if (this.refusal) throw this.refusal;
    const left = new Map(this.#dtabs.value);
    if (!left.delete(namespace)) throw new LinkerdTcpError('STORE_MISSING', { namespace });
    this.#note(namespace, '', authorship, true);
    this.#dtabs.next(left);
  }

  async history(
    namespace: string,
    { limit = 50, before = Infinity, withText }: HistoryQuery = {},
  ): Promise<HistoryPage> {
    const earlier = (this.#versions.get(namespace) ?? []).filter(({ number }) => number < before);
    const versions = earlier
      .slice(0, limit)
      .map(({ text, ...rest }) => ({ ...rest, ...(withText && { text: text! }) }));
    return { versions, ...(earlier.length > limit && { next: versions.at(-1)!.number }) };
  }

  async version(namespace: string, which: number | Version): Promise<StoredVersion | undefined> {
    return this.#versions
      .get(namespace)
      ?.find(({ number, version }) =>
        typeof which === 'number' ? number === which : Buffer.compare(version, which) === 0,
      );
  }

  async close(): Promise<void> {}

  #observed<T>(read: (all: ReadonlyMap<string, VersionedDtab>) => T): Observable<Activity<T>> {
    return new Observable<Activity<T>>(out => {
      this.observers++;
      let stored: Activity<T> | undefined;
      const tell = () => {
        const next = this.state.value ?? stored;
        if (next) out.next(next);
      };
      out.add(
        this.#dtabs.pipe(map(read)).subscribe(value => {
          stored = ok(value);
          tell();
        }),
      );
      out.add(this.state.subscribe(tell));
    }).pipe(finalize(() => this.observers--));
  }

  #write(namespace: string, dtab: Dtab, authorship?: Authorship): Version {
    if (this.refusal) throw this.refusal;
    const version = this.#note(namespace, showDtab(dtab), authorship);
    this.#dtabs.next(new Map([...this.#dtabs.value, [namespace, { dtab, version }]]));
    return version;
  }

  #note(namespace: string, text: string, authorship: Authorship = {}, isDeletion = false): Version {
    const before = this.#versions.get(namespace) ?? [];
    const number = (before[0]?.number ?? 0) + 1;
    const version = countedVersion(number);
    const bytes = Buffer.byteLength(text);
    const noted = { number, version, at: 1_000_000, isDeletion, bytes, text, ...authorship };
    this.#versions.set(namespace, [noted, ...before]);
    return version;
  }
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export class Stream {
  readonly response: IncomingMessage;
  /** All that came so far. */
  received = '';
  ended = false;
  #changed = Promise.withResolvers<void>();
  #read = 0;

  constructor(response: IncomingMessage) {
    this.response = response;
    const changed = () => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.received += chunk;
      changed();
    });
    response.on('close', () => {
      this.ended = true;
      changed();
    });
    response.on('error', () => {});
  }

  /** The next whole line, without its break. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.received.indexOf('\n', this.#read);
      if (end >= 0) {
        const line = this.received.slice(this.#read, end);
        this.#read = end + 1;
        return line;
      }
      if (this.ended) throw new Error(`the stream ended; it said ${JSON.stringify(this.received)}`);
      await within(this.#changed.promise, 'the next line of a watch', 5000);
    }
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.line());
  }

  async end(): Promise<void> {
    while (!this.ended) await within(this.#changed.promise, 'the end of a watch', 5000);
  }

  leave(): void {
    this.response.destroy();
  }
}

export interface Rig {
  readonly store: TestStore;
  readonly namer: FakeNamer;
  readonly namespaces: Namespaces;
  readonly log: RecordedLog;
  readonly url: string;
  readonly api: Awaited<ReturnType<typeof startApi>>;
  ask(method: string, target: string, headers?: Record<string, string>, body?: string): Promise<Answered>;
  watch(target: string, headers?: Record<string, string>): Promise<Stream>;
  /** Stores a dtab as an operator does. */
  put(namespace: string, dtab: string): Promise<Answered>;
}

export interface RigOptions {
  readonly api?: Partial<ApiOptions>;
  readonly namespaces?: Partial<NamespacesOptions>;
  /** In place of the one fake namer at `/#/io.l5d.namer`. */
  readonly namers?: readonly MountedNamer[];
}

export async function startRig(t: Scope, options: RigOptions = {}): Promise<Rig> {
  const store = new TestStore();
  const namer = new FakeNamer();
  const log = recordedLog();
  const namers = options.namers ?? [{ prefix: parsePath('/#/io.l5d.namer'), namer }];
  const namespaces = new Namespaces({
    store,
    namers,
    builtin: builtinNamer(fakeDns()),
    clock: systemClock,
    ...options.namespaces,
  });
  const api = await startApi({
    ip: '127.0.0.1',
    port: 0,
    store,
    namespaces,
    namerPrefixes: namers.map(({ prefix }) => prefix),
    log,
    ...options.api,
  });
  t.after(async () => {
    await api.close();
    namespaces.close();
  });
  const url = `http://${api.address}`;
  const send = async (method: string, target: string, headers: Record<string, string>, body?: string) => {
    const sent = request(`${url}/api/1/`, {
      // As it is: no client may tidy up what is tested.
      path: /^(\/|http:)/.test(target) ? target : `/api/1/${target}`,
      method,
      headers,
      agent: false,
      signal: AbortSignal.timeout(10_000),
    });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  };
  const ask: Rig['ask'] = async (method, target, headers = {}, body) => {
    const response = await send(method, target, headers, body);
    const answer = await text(response);
    return {
      status: response.statusCode as number,
      headers: response.headers,
      text: answer,
      get json() {
        return JSON.parse(answer);
      },
    };
  };
  return {
    store,
    namer,
    namespaces,
    log,
    url,
    api,
    ask,
    watch: async (target, headers = {}) => {
      const stream = new Stream(await send('GET', target, headers));
      t.after(() => stream.leave());
      return stream;
    },
    put: (namespace, dtab) => {
      const type = dtab === '' ? 'application/json' : 'application/dtab';
      return ask('PUT', `dtabs/${namespace}`, { 'content-type': type }, dtab === '' ? '[]' : dtab);
    },
  };
}
