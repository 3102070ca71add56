/**
 * Several namerds that serve the same dtabs, used one at a time: all requests go to one until it fails, then to the next.
 *
 * The order is that of the configuration. The one in use stays in use for as long as it answers, also when an earlier one is
 * back: moving has a price, and all of them say the same. A host name with several addresses counts as several servers.
 */
import type { Readable } from 'node:stream';
import { LinkerdTcpError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { NamerdHttpClient } from './http-client.ts';

/** What watches and polls need of a client. */
export interface NamerdClient {
  /** The address of `target`, for messages. */
  url(target: string): string;
  get(target: string, signal?: AbortSignal): Promise<unknown>;
  open(target: string, signal: AbortSignal): Promise<Readable>;
  /** Tells that the server of this stream does not do its work: later requests go elsewhere. */
  suspect?(stream: Readable): void;
  /** Servers that a request may go to: so many may be tried without a pause. 1 by default. */
  readonly choices?: number;
  close(): Promise<void>;
}

export interface ClusterOptions {
  /** At least one. */
  readonly members: readonly NamerdHttpClient[];
  readonly log: Log;
  /** Called when another server than before answers. */
  readonly moved?: () => void;
  /** Gives the members up; closes them unless given. */
  readonly close?: () => Promise<void>;
}

export class NamerdCluster implements NamerdClient {
  readonly #options: ClusterOptions;
  readonly #streams = new WeakMap<Readable, NamerdHttpClient>();
  #current = 0;
  /** The one that answered last. */
  #answering: NamerdHttpClient | undefined;
  #reason = '';

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get choices(): number {
    return this.#options.members.reduce((sum, { addresses }) => sum + addresses, 0);
  }

  url(target: string): string {
    return this.#member.url(target);
  }

  get(target: string, signal?: AbortSignal): Promise<unknown> {
    return this.#use(signal, member => member.get(target, signal));
  }

  async open(target: string, signal: AbortSignal): Promise<Readable> {
    const [stream, member] = await this.#use(
      signal,
      async member => [await member.open(target, signal), member] as const,
    );
    this.#streams.set(stream, member);
    // A stream that we end ends with an error, too.
    stream.once('error', error => signal.aborted || this.#failed(member, error.message));
    return stream;
  }

  suspect(stream: Readable): void {
    const member = this.#streams.get(stream);
    if (member !== undefined) this.#failed(member, 'silent stream');
  }

  async close(): Promise<void> {
    const { members, close } = this.#options;
    await (close?.() ?? Promise.all(members.map(member => member.close())));
  }

  get #member(): NamerdHttpClient {
    return this.#options.members[this.#current];
  }

  async #use<T>(signal: AbortSignal | undefined, ask: (member: NamerdHttpClient) => Promise<T>): Promise<T> {
    const member = this.#member;
    try {
      const answer = await ask(member);
      this.#answered(member);
      return answer;
    } catch (error) {
      if (!signal?.aborted && isOfServer(error)) this.#failed(member, error.message);
      throw error;
    }
  }

  /** Many requests fail together: the first of them moves all. */
  #failed(member: NamerdHttpClient, reason: string): void {
    member.tryOtherAddress();
    if (member !== this.#member) return;
    this.#current = (this.#current + 1) % this.#options.members.length;
    this.#reason = reason;
  }

  #answered(member: NamerdHttpClient): void {
    const before = this.#answering;
    this.#answering = member;
    if (before === undefined || before === member || member !== this.#member) return;
    this.#options.log.warn(`namerd at ${member.url('')} is used now; ${before.url('')} failed: ${this.#reason}`);
    this.#options.moved?.();
  }
}

/** Whether another server may do better. */
function isOfServer(error: unknown): error is LinkerdTcpError {
  if (!(error instanceof LinkerdTcpError)) return false;
  return (
    error.code === 'NAMERD_UNREACHABLE' || (error.code === 'NAMERD_STATUS' && Number(error.details['status']) >= 500)
  );
}
