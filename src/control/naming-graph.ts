/**
 * The namers and interpreters of a configuration. A reload keeps those whose configuration did not change, with their watches.
 */

import type { RequestObserver } from '../clients/namerd/watch.ts';
import { SharedClients } from '../clients/shared-clients.ts';
import { reasonOf } from '../errors.ts';
import { createInterpreter, kindOf } from '../interpreters/assemble.ts';
import { Namers } from '../interpreters/mounted-namers.ts';
import { monotonicNow } from '../io/clock.ts';
import type { Log } from '../log.ts';
import { endScope, type Releasable } from '../metrics/join-scopes.ts';
import type { Registry } from '../metrics/registry.ts';
import { createDns, measureDns } from '../naming/dns.ts';
import type { Interpreter } from '../naming/interpreter.ts';
import type { NamingContext } from '../naming/kinds.ts';
import type { Kinds, LinkerdTcpConfig, RouterConfig } from '../settings/linkerd-tcp/config.ts';
import { CertificateExpiry } from '../tls/certificate-monitor.ts';

interface NamespaceMetrics {
  readonly scope: Releasable;
  readonly requests: RequestObserver;
}

export class NamingGraph {
  readonly #context: NamingContext;
  readonly #registry: Registry;
  readonly #kinds: Kinds;
  readonly #log: Log;
  readonly #namers: Namers;
  readonly #certificates: CertificateExpiry;
  readonly #interpreters = new Map<string, Interpreter>();
  /** Metrics of requests to a namerd, by router and namespace. */
  readonly #observers = new Map<string, NamespaceMetrics>();

  constructor(log: Log, registry: Registry, kinds: Kinds) {
    this.#kinds = kinds;
    this.#registry = registry;
    this.#certificates = new CertificateExpiry(registry, log);
    this.#log = log;
    this.#context = {
      log,
      now: monotonicNow,
      random: Math.random,
      certificates: this.#certificates,
      clients: new SharedClients(),
      dns: createDns({ log }),
    };
    this.#namers = new Namers({ ...kinds, context: this.#context, registry });
    measureDns(registry, this.#context.dns);
  }

  /** Equal for two configurations exactly when names mean the same through them. */
  keyOf(config: LinkerdTcpConfig, router: RouterConfig): string {
    const { usesNamers = true } = kindOf(this.#kinds.interpreters, router.interpreter.kind);
    return JSON.stringify([usesNamers ? config.namers : [], router.label, router.interpreter]);
  }

  interpreterOf(config: LinkerdTcpConfig, router: RouterConfig): Interpreter {
    const key = this.keyOf(config, router);
    const known = this.#interpreters.get(key);
    if (known) return known;
    const namers = this.#namers.mount(config.namers);
    const made = createInterpreter(router.interpreter, this.#kinds.interpreters, this.#kinds.transformers, {
      ...this.#context,
      namers,
      ...this.#observe(router),
    });
    this.#interpreters.set(key, made);
    return made;
  }

  /** An address could not be reached: its host is looked up again, at most once a second. */
  nudge(ip: string): void {
    this.#context.dns.nudge(ip);
  }

  /** Closes what the configuration in force does not use, and nothing observes any more. */
  keepOnly(config: LinkerdTcpConfig): void {
    const used = new Set(config.routers.map(router => this.keyOf(config, router)));
    const unused = [...this.#interpreters].filter(([key]) => !used.has(key));
    for (const [key, interpreter] of unused) {
      this.#interpreters.delete(key);
      this.#close(async () => interpreter.close?.());
    }
    this.#close(() => this.#namers.keepOnly(config.namers));
    const observed = new Set(config.routers.map(observerKey));
    for (const [key, { scope }] of this.#observers) {
      if (observed.has(key)) continue;
      this.#observers.delete(key);
      endScope(scope);
    }
  }

  async close(): Promise<void> {
    this.#certificates.close();
    const interpreters = [...this.#interpreters.values()];
    this.#interpreters.clear();
    await Promise.all([...interpreters.map(async each => each.close?.()), this.#namers.close()]);
  }

  /** Nothing waits for it. */
  #close(close: () => Promise<unknown>): void {
    close().catch(error =>
      this.#log.warn('a namer or interpreter that is no longer used failed to close', { reason: reasonOf(error) }),
    );
  }

  #observe(router: RouterConfig): { requests?: RequestObserver } {
    const { label, interpreter } = router;
    if (typeof interpreter.namespace !== 'string') return {};
    const key = observerKey(router);
    const known = this.#observers.get(key);
    if (known) return { requests: known.requests };
    const scope = this.#registry.scope({ rt: label, namespace: interpreter.namespace });
    const success = scope.counter('l5d:resolver:success_count');
    const failure = scope.counter('l5d:resolver:failure_count');
    const failovers = scope.counter('l5d:resolver:failover_count');
    const latency = scope.histogram('l5d:resolver:request_latency_ms');
    const { main } = this.#registry;
    const requests: RequestObserver = {
      requestDone: ({ ok, latencyMs }) => {
        // The router was removed: another one may use its cells now.
        if (this.#observers.get(key)?.requests !== requests) return;
        main.add(ok ? success : failure, 1);
        if (latencyMs !== undefined) main.observe(latency, latencyMs);
      },
      moved: () => {
        if (this.#observers.get(key)?.requests === requests) main.add(failovers, 1);
      },
    };
    this.#observers.set(key, { scope, requests });
    return { requests };
  }
}

const observerKey = ({ label, interpreter }: RouterConfig): string => JSON.stringify([label, interpreter.namespace]);
