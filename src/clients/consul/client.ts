/**
 * Consul's HTTP API as far as it is needed here: reading with or without waiting for a change, and transactions of the KV store.
 *
 * Every request has a bound on its time and on the size of its answer. Messages never say the token.
 */
import { reasonOf } from '../../errors.ts';
import { type HttpAnswer, HttpClient } from '../http/client.ts';
import { excerptOf, withoutSecrets } from '../http/excerpt.ts';
import type { LiveClientTls } from '../live-client-tls.ts';
import type { TokenSource } from '../token-source.ts';
import { ConsulFailure, refusal, withoutAnswer } from './failure.ts';

export interface ConsulClientOptions {
  readonly origin: string;
  /** Closed with the client. */
  readonly tls?: LiveClientTls;
  readonly token?: TokenSource;
  /** The one of the agent that is asked, unless given. */
  readonly datacenter?: string;
  readonly requestTimeoutMs?: number;
}

/** `default` asks the leader, `consistent` a leader that has made sure it still is one, `stale` any server. */
export type Consistency = 'default' | 'stale' | 'consistent';

export interface ConsulRead {
  /** Below `/v1/`, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly consistency?: Consistency;
  /** Waits for anything later than `index`, but not longer than `waitMs`. */
  readonly wait?: { readonly index: bigint; readonly waitMs: number };
  readonly signal?: AbortSignal;
}

export interface ConsulAnswer {
  /** Parsed JSON; undefined where Consul has nothing by that name. */
  readonly body: unknown;
  /** Of the newest change to what was asked about, also when that was a removal. */
  readonly index: bigint;
  /** False when the server that answered knows of no leader: then there may be something newer. */
  readonly hasLeader: boolean;
  /** Whether results were omitted because the token lacks rights. Consul does not report it for requests without a token. */
  readonly isFiltered: boolean;
}

/** An operation of a transaction on a key; `Value` is base64. */
export interface KvOperation {
  readonly Verb: 'set' | 'cas' | 'get' | 'delete';
  readonly Key: string;
  readonly Value?: string;
  /** Any number; Consul makes nothing of it. */
  readonly Flags?: number;
  /** The ModifyIndex that the key must have; 0 where it must not exist. */
  readonly Index?: number;
}

export interface TransactionError {
  /** Which operation failed. */
  readonly OpIndex: number;
  readonly What: string;
}

/** A document; or the operations that failed, and then nothing was done. */
export type TransactionResult = { readonly body: unknown } | { readonly errors: readonly TransactionError[] };

const defaultRequestTimeoutMs = 6000;
const connectTimeoutMs = 3000;
/** Consul adds up to a sixteenth to the wait time of a query. A server that takes longer is unreachable. */
const waitGraceMs = 2500;
const maxBodyBytes = 32 * 1024 * 1024;

interface Question {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly isWaiting?: boolean;
  /** Those that are answers, with a body that is JSON if there is one. */
  readonly statuses: readonly number[];
}

interface Received extends Pick<HttpAnswer, 'status' | 'headers'> {
  readonly body: unknown;
}

export class ConsulClient {
  readonly #options: ConsulClientOptions;
  readonly #http: HttpClient;

  constructor(options: ConsulClientOptions) {
    this.#options = options;
    const { origin, tls } = options;
    this.#http = new HttpClient({ origin, tls: tls?.source, connectTimeoutMs, maxBodyBytes });
  }

  /** Rejects with a {@link ConsulFailure}. */
  async read({ path, query, consistency = 'default', wait, signal }: ConsulRead): Promise<ConsulAnswer> {
    const { requestTimeoutMs = defaultRequestTimeoutMs } = this.#options;
    const received = await this.#exchange({
      method: 'GET',
      path,
      query: {
        ...query,
        ...(wait !== undefined && { index: String(wait.index), wait: `${wait.waitMs}ms` }),
        ...(consistency !== 'default' && { [consistency]: 'true' }),
      },
      timeoutMs: wait === undefined ? requestTimeoutMs : wait.waitMs * (1 + 1 / 16) + waitGraceMs,
      signal,
      isWaiting: wait !== undefined,
      statuses: [200, 404],
    });
    const header = (name: string) => received.headers[name] ?? '';
    const index = header('x-consul-index');
    if (!/^\d{1,20}$/.test(index))
      throw new ConsulFailure(`it answered ${received.status} without X-Consul-Index: it is not Consul that answers`);
    return {
      body: received.status === 404 ? undefined : received.body,
      index: BigInt(index),
      hasLeader: header('x-consul-knownleader') !== 'false',
      isFiltered: header('x-consul-results-filtered-by-acls') === 'true',
    };
  }

  get hasToken(): boolean {
    return this.#options.token !== undefined;
  }

  /** Of the agent; undefined where the answer has none. Rejects with a {@link ConsulFailure}, also without `agent:read`. */
  async version(): Promise<string | undefined> {
    const { requestTimeoutMs = defaultRequestTimeoutMs } = this.#options;
    const sent = {
      method: 'GET',
      path: 'agent/self',
      query: {},
      timeoutMs: requestTimeoutMs,
      statuses: [200],
    } as const;
    const { body } = await this.#exchange(sent);
    const version = (body as { Config?: { Version?: unknown } } | null)?.Config?.Version;
    return typeof version === 'string' ? version : undefined;
  }

  /** All or nothing. Rejects with a {@link ConsulFailure}, also where rights are missing. */
  async transact(operations: readonly KvOperation[]): Promise<TransactionResult> {
    const { requestTimeoutMs = defaultRequestTimeoutMs } = this.#options;
    const { status, body } = await this.#exchange({
      method: 'PUT',
      path: 'txn',
      query: {},
      body: JSON.stringify(operations.map(KV => ({ KV }))),
      timeoutMs: requestTimeoutMs,
      statuses: [200, 409],
    });
    if (status === 200) return { body };
    const errors = errorsIn(body);
    const forbidden = errors.find(({ What }) => /permission denied|acl not found/i.test(What));
    if (forbidden !== undefined) throw new ConsulFailure(forbidden.What, { isForbidden: true, outcome: 'none' });
    return { errors };
  }

  /** Cuts everything that is under way. */
  close(): Promise<void> {
    this.#options.tls?.close();
    return this.#http.close();
  }

  async #exchange({ path, query, statuses, body, ...request }: Question): Promise<Received> {
    const { datacenter, token } = this.#options;
    const secret = await token?.();
    const parameters = new URLSearchParams({ ...query, ...(datacenter !== undefined && { dc: datacenter }) });
    const answer = await this.#http
      .request({
        ...request,
        path: `/v1/${path}${parameters.size === 0 ? '' : `?${parameters}`}`,
        headers: {
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(secret !== undefined && { 'x-consul-token': secret }),
        },
        body,
      })
      .catch(error => {
        throw withoutAnswer(error);
      });
    const { status, headers } = answer;
    // A success is data, which must stay as it is.
    const text = status === 200 ? answer.text : withoutSecrets(answer.text, secret === undefined ? [] : [secret]);
    if (!statuses.includes(status)) throw refusal(status, excerptOf(text));
    return { status, headers, body: status === 404 ? undefined : parsed(text) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConsulFailure(`its answer is not JSON: ${reasonOf(error)}`);
  }
}

function errorsIn(body: unknown): readonly TransactionError[] {
  const errors = (body as { Errors?: unknown } | null)?.Errors;
  if (Array.isArray(errors) && errors.length > 0 && errors.every(isTransactionError)) return errors;
  throw new ConsulFailure('it answered 409 without saying which operation failed');
}

const isTransactionError = (value: unknown): value is TransactionError =>
  typeof (value as TransactionError | null)?.OpIndex === 'number' &&
  typeof (value as TransactionError).What === 'string';
