/**
 * Consul's HTTP API as far as it is needed here: reading with or without waiting for a change, and transactions of the KV store.
 *
 * Every request has a bound on its time and on the size of its answer. Messages never say the token.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Pool } from 'undici';
import { reasonOf } from '../../errors.ts';
import type { TokenSource } from '../token-source.ts';
import { ConsulFailure, networkFailure, refusal } from './failure.ts';

export interface ConsulClientOptions {
  readonly origin: string;
  readonly tls?: ConnectionOptions;
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
  /** Whether something was left out for want of rights. Not told of requests without a token. */
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
export type Outcome = { readonly body: unknown } | { readonly errors: readonly TransactionError[] };

const defaultRequestTimeoutMs = 6000;
const connectTimeoutMs = 3000;
/** Consul adds up to a sixteenth to the time it was told to wait; what is beyond that is a server that is gone. */
const waitGraceMs = 2500;
const connections = 16;
const maxBodyBytes = 32 * 1024 * 1024;

interface Sent {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Those that are answers, with a body that is JSON if there is one. */
  readonly statuses: readonly number[];
}

interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

export class ConsulClient {
  readonly #options: ConsulClientOptions;
  #pool: Promise<Pool> | undefined;
  #isClosed = false;

  constructor(options: ConsulClientOptions) {
    this.#options = options;
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
      statuses: [200, 404],
    });
    const header = (name: string) => String(received.headers[name] ?? '');
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

  /** All or nothing. Rejects with a {@link ConsulFailure}, also where rights are missing. */
  async transact(operations: readonly KvOperation[]): Promise<Outcome> {
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
    if (forbidden !== undefined) throw new ConsulFailure(forbidden.What, { isForbidden: true, isWithoutEffect: true });
    return { errors };
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = await this.#pool;
    await pool?.destroy();
  }

  async #exchange(sent: Sent): Promise<Received> {
    const token = await this.#options.token?.();
    const timeout = new AbortController();
    const late = `it has not answered in ${Math.round(sent.timeoutMs)} ms`;
    const timer = setTimeout(() => timeout.abort(new Error(late)), sent.timeoutMs);
    // Consul does not repeat a token; one never knows about what stands before it.
    const discreet = (text: string) => (token === undefined ? text : text.replaceAll(token, '(hidden)'));
    try {
      const signal = sent.signal === undefined ? timeout.signal : AbortSignal.any([sent.signal, timeout.signal]);
      return await this.#send(sent, token, signal);
    } catch (error) {
      if (error instanceof ConsulFailure) throw new ConsulFailure(discreet(error.message), error);
      if (timeout.signal.aborted) throw new ConsulFailure(late);
      throw networkFailure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send({ method, path, query, body, statuses }: Sent, token: string | undefined, signal: AbortSignal) {
    const { datacenter } = this.#options;
    const parameters = new URLSearchParams({ ...query, ...(datacenter !== undefined && { dc: datacenter }) });
    const pool = await this.#connected();
    const answer = await pool.request({
      method,
      path: `/v1/${path}${parameters.size === 0 ? '' : `?${parameters}`}`,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { 'x-consul-token': token }),
      },
      signal,
      ...(body !== undefined && { body }),
    });
    const text = await read(answer.body);
    const status = answer.statusCode;
    if (!statuses.includes(status)) throw refusal(status, text);
    return { status, headers: answer.headers, body: status === 404 ? undefined : parsed(text) };
  }

  /** undici is loaded by whoever uses Consul, and by nobody else. */
  #connected(): Promise<Pool> {
    if (this.#isClosed) throw new ConsulFailure('it is closed', { isWithoutEffect: true });
    this.#pool ??= import('undici').then(({ Pool, buildConnector }) => {
      const { tls, origin } = this.#options;
      // A question that waits has a connection of its own: cutting it disturbs nothing else.
      const allowH2 = false;
      const connect = buildConnector({ ...tls, allowH2, timeout: connectTimeoutMs, keepAlive: true });
      return new Pool(origin, { connections, allowH2, headersTimeout: 0, bodyTimeout: 0, connect });
    });
    return this.#pool;
  }
}

async function read(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new ConsulFailure(`its answer is longer than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConsulFailure(`its answer is no JSON: ${reasonOf(error)}`);
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
