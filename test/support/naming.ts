/** Tools for tests of naming: an observer to wait on, a log that records, and DNS answers set by the test. */

import { BehaviorSubject, type Observable } from 'rxjs';
import { SharedClients } from '../../src/clients/shared-clients.ts';
import { Namers } from '../../src/interpreters/mounted-namers.ts';
import type { Log } from '../../src/log.ts';
import type { Dns, Host } from '../../src/naming/dns.ts';
import { createDns } from '../../src/naming/dns.ts';
import type { NamerConfig, NamerKind, NamingContext, TransformerKind } from '../../src/naming/kinds.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

export interface Observer<T> {
  readonly values: readonly T[];
  /** The newest value. */
  readonly last: T | undefined;
  /** The newest value, or the next one, for which `is` is true. */
  until(is: (value: T) => boolean, what: string): Promise<T>;
  stop(): void;
}

export function observe<T>(t: Scope, source: Observable<T>): Observer<T> {
  const values: T[] = [];
  const waiting = new Set<(value: T) => void>();
  const subscription = source.subscribe(value => {
    values.push(value);
    for (const wake of [...waiting]) wake(value);
  });
  t.after(() => subscription.unsubscribe());
  return {
    values,
    get last() {
      return values.at(-1);
    },
    until(is, what) {
      if (values.length > 0 && is(values.at(-1)!)) return Promise.resolve(values.at(-1)!);
      const { promise, resolve } = Promise.withResolvers<T>();
      const wake = (value: T) => {
        if (!is(value)) return;
        waiting.delete(wake);
        resolve(value);
      };
      waiting.add(wake);
      return within(promise, what, 5000);
    },
    stop: () => subscription.unsubscribe(),
  };
}

export interface RecordedLog extends Log {
  readonly lines: readonly string[];
}

export function recordedLog(): RecordedLog {
  const lines: string[] = [];
  const record = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { lines, info: record('info'), warn: record('warn'), error: record('error') };
}

/** Answers only for the hosts given (and for those that need no DNS); all others do not exist. */
export function fakeDns(hosts: Readonly<Record<string, BehaviorSubject<Host>>> = {}): Dns {
  const numeric = createDns({ lookup: async () => ({ type: 'none', ttlMs: 5000 }) });
  const resolve = (host: string) => hosts[host] ?? numeric.resolve(host);
  return { resolve, resolveOnce: resolve, nudge() {}, failing: 0 };
}

export const knownHost = (...ips: string[]): BehaviorSubject<Host> =>
  new BehaviorSubject<Host>({ state: 'bound', ips: ips });

export function namingContext(changes: Partial<NamingContext> = {}): NamingContext & { readonly log: RecordedLog } {
  return {
    log: recordedLog(),
    now: () => 0,
    random: () => 0.5,
    dns: fakeDns(),
    clients: new SharedClients(),
    ...changes,
  } as NamingContext & {
    readonly log: RecordedLog;
  };
}

/** The namers of a configuration, and what they watch. */
export function mountNamers(
  configs: readonly NamerConfig[],
  namers: readonly NamerKind[],
  transformers: readonly TransformerKind[],
  context: NamingContext,
) {
  const mounted = new Namers({ namers, transformers, context });
  return { namers: mounted.mount(configs), watches: () => mounted.watches() };
}
