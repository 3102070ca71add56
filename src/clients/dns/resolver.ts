/**
 * Addresses of host names, by /etc/hosts and DNS, as the system's own resolver finds them (`search`, `ndots`), without the
 * thread pool that the system's resolver shares with files.
 *
 * Bounded in three ways: questions at one time (urgent ones have places of their own), time for each question, answers kept.
 * /etc/nsswitch.conf is not read: sources other than files and DNS (mDNS, LDAP, NIS) do not count.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { reasonOf } from '../../errors.ts';
import { monotonicNow } from '../../io/clock.ts';
import { ask, RefusedByAll } from './ask.ts';
import { type Families, isUsable, localFamilies } from './local-addresses.ts';
import { isDnsName, type Question, type QuestionType } from './message.ts';
import type { Found } from './records.ts';
import { candidatesOf, type DnsServer, type ResolvConf } from './resolv-conf.ts';
import { SystemFiles, type SystemFilesOptions } from './system-files.ts';
import { Turns } from './turns.ts';

export type Lookup =
  | { readonly type: 'found'; readonly ips: readonly string[]; readonly ttlMs: number }
  /** There is no such name, or it has no address. */
  | { readonly type: 'none'; readonly ttlMs: number };

export interface LookupOptions {
  /** The control plane waits for it: it does not queue behind others. */
  readonly isUrgent?: boolean;
  /** Asks again although an answer is still valid. */
  readonly isFresh?: boolean;
}

export type LookupOutcome = 'found' | 'none' | 'failed';

export interface ResolverOptions extends SystemFilesOptions {
  readonly now?: () => number;
  readonly families?: () => Families;
  readonly random?: () => number;
}

type Records = Exclude<Found, { type: 'alias' }>;

/** Look-ups at one time, each of which is two questions; and those that only urgent ones may add. */
const maxLookups = 64;
const maxUrgent = 32;

/** Bounds on how long an answer is believed, whatever its TTL says. */
const minTtlMs = 5000;
const maxTtlMs = 300_000;
const maxNegativeTtlMs = 30_000;

const maxKept = 10_000;

export class Resolver {
  readonly #files: SystemFiles;
  readonly #now: () => number;
  readonly #families: () => Families;
  readonly #random: () => number;
  readonly #turns = new Turns(maxLookups, maxUrgent);
  /** By host; the oldest first. */
  readonly #kept = new Map<string, { readonly lookup: Lookup; readonly until: number }>();
  readonly #running = new Map<string, Promise<Lookup>>();
  #preferred: DnsServer | undefined;
  /** Look-ups so far, for the metrics. */
  readonly outcomes: Record<LookupOutcome, number> = { found: 0, none: 0, failed: 0 };

  constructor({ now = monotonicNow, families = localFamilies, random = Math.random, ...files }: ResolverOptions = {}) {
    this.#files = new SystemFiles(files);
    this.#now = now;
    this.#families = families;
    this.#random = random;
  }

  /** Rejects where it cannot be known; that a host does not exist is an answer. */
  async lookup(host: string, { isUrgent = false, isFresh = false }: LookupOptions = {}): Promise<Lookup> {
    const name = (domainToASCII(host) || host).toLowerCase();
    if (isIP(name) !== 0) return { type: 'found', ips: [name], ttlMs: maxTtlMs };
    const { conf, hosts } = await this.#files.current();
    const local = this.#withoutDns(name, hosts.get(name.replace(/\.$/, '')));
    if (local !== undefined) return local;
    const kept = this.#kept.get(name);
    if (kept !== undefined && !isFresh && this.#now() < kept.until) return kept.lookup;
    // An urgent look-up does not wait for one that is still queued.
    const key = `${isUrgent} ${name}`;
    const running = this.#running.get(key) ?? this.#turns.run(isUrgent, () => this.#byDns(name, conf));
    this.#running.set(key, running);
    return running.finally(() => this.#running.delete(key));
  }

  /** The last answer for a host, however old. */
  lastKnown(host: string): Lookup | undefined {
    return this.#kept.get(host.toLowerCase())?.lookup;
  }

  /** Records of one full name. */
  async query(question: Question, { isUrgent = false }: LookupOptions = {}): Promise<Records> {
    const { conf } = await this.#files.current();
    return this.#turns.run(isUrgent, () => this.#ask(question, conf));
  }

  close(): void {
    this.#files.close();
  }

  #withoutDns(name: string, known: readonly string[] | undefined): Lookup | undefined {
    const families = this.#families();
    const isLocalhost = /(^|\.)localhost\.?$/.test(name);
    const all = known ?? (isLocalhost ? ['127.0.0.1', '::1'] : undefined);
    const ips = all?.filter(ip => isUsable(ip, families));
    return ips === undefined || ips.length === 0 ? undefined : { type: 'found', ips, ttlMs: minTtlMs };
  }

  async #byDns(name: string, conf: ResolvConf): Promise<Lookup> {
    try {
      const lookup = await this.#firstCandidate(name, conf);
      this.outcomes[lookup.type]++;
      this.#keep(name, lookup);
      return lookup;
    } catch (error) {
      this.outcomes.failed++;
      throw error;
    }
  }

  async #firstCandidate(name: string, conf: ResolvConf): Promise<Lookup> {
    let ttlMs = maxNegativeTtlMs;
    let refusal: Error | undefined;
    for (const candidate of candidatesOf(name, conf)) {
      if (!isDnsName(candidate)) continue;
      try {
        const found = await this.#addresses(candidate, conf);
        if (found.type === 'found') return found;
        ttlMs = Math.min(ttlMs, found.ttlMs);
      } catch (error) {
        // A search domain whose servers fail must not hide that the next one has the name, as with glibc; but silence is the end:
        // the next one would only be waited for as well.
        if (!isRefusal(error)) throw error;
        refusal ??= error as Error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return { type: 'none', ttlMs };
  }

  /** IPv4 and IPv6 at the same time. One of them suffices: a broken server of the other family makes no name unknown. */
  async #addresses(name: string, conf: ResolvConf): Promise<Lookup> {
    const types: QuestionType[] = this.#families().hasIPv6 ? ['A', 'AAAA'] : ['A'];
    const answers = await Promise.allSettled(types.map(type => this.#ask({ name, type }, conf)));
    const known = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []));
    const ips = known.flatMap(answer =>
      answer.type === 'found' ? answer.records.map(record => (record as { data: string }).data) : [],
    );
    if (ips.length > 0) {
      const ttls = known.flatMap(answer => (answer.type === 'found' ? [answer.ttlMs] : []));
      return { type: 'found', ips: [...new Set(ips)], ttlMs: clamp(Math.min(...ttls), maxTtlMs) };
    }
    // No such name: true for both families. No data: true for the family that was asked for.
    const isAbsent = known.some(answer => answer.type === 'none' && !answer.exists);
    const failure = answers.find(answer => answer.status === 'rejected');
    if (failure !== undefined && !isAbsent) throw failure.reason;
    return { type: 'none', ttlMs: clamp(Math.min(...known.map(answer => answer.ttlMs)), maxNegativeTtlMs) };
  }

  async #ask(question: Question, conf: ResolvConf): Promise<Records> {
    const answered = (server: DnsServer) => {
      this.#preferred = server;
    };
    try {
      return await ask(question, { ...conf, servers: this.#inOrder(conf), answered });
    } catch (error) {
      throw new Error(`DNS cannot resolve ${question.name}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** The server that answered last comes first, so that a dead one costs its second once. */
  #inOrder({ servers, rotate }: ResolvConf): readonly DnsServer[] {
    const first = rotate
      ? Math.floor(this.#random() * servers.length)
      : servers.findIndex(({ ip, port }) => ip === this.#preferred?.ip && port === this.#preferred.port);
    return first <= 0 ? servers : [...servers.slice(first), ...servers.slice(0, first)];
  }

  #keep(name: string, lookup: Lookup): void {
    this.#kept.delete(name);
    this.#kept.set(name, { lookup, until: this.#now() + lookup.ttlMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxKept) break;
      this.#kept.delete(oldest);
    }
  }
}

const clamp = (ttlMs: number, max: number): number => Math.min(max, Math.max(minTtlMs, ttlMs));

const isRefusal = (error: unknown): boolean => error instanceof Error && error.cause instanceof RefusedByAll;

let system: Resolver | undefined;

/** The one of the process: control links and names of the data plane share its answers and its bounds. */
export function systemResolver(): Resolver {
  system ??= new Resolver();
  return system;
}
