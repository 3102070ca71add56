/**
 * The program `namerd`, running: opens its storage, mounts its namers, serves its interfaces, drains and stops.
 *
 * Order of a start: storage, namers, interfaces, admin. Nothing is half started: a failure stops what runs.
 */
import { setTimeout } from 'node:timers/promises';
import type { Subscription } from 'rxjs';
import { type NamerdView, startNamerdAdmin } from '../admin/namerd/server.ts';
import type { Readiness } from '../admin/readiness.ts';
import { isLoopback } from '../browser-guard.ts';
import { hideSecrets } from '../config/secret-fields.ts';
import { readSource } from '../config/source.ts';
import { adviseOnListening } from '../control/listen-advice.ts';
import { reasonOf } from '../errors.ts';
import { mountNamers } from '../interpreters/assemble.ts';
import { monotonicNow } from '../io/clock.ts';
import { systemClock } from '../live/clock.ts';
import type { Log } from '../log.ts';
import { measureProcess } from '../metrics/process.ts';
import { Registry } from '../metrics/registry.ts';
import { reportDenials } from '../namerd/access/denials.ts';
import { LiveTokens } from '../namerd/access/live-tokens.ts';
import { Namespaces } from '../namerd/core/namespaces.ts';
import { Slices } from '../namerd/core/sliced.ts';
import { countRequests } from '../namerd/http/request-counts.ts';
import { type RunningApi, startApi } from '../namerd/http/server.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import { createDns, measureDns } from '../naming/dns.ts';
import {
  type HttpControllerConfig,
  type NamerdConfig,
  type NamerdKinds,
  namerdSchema,
} from '../settings/namerd/config.ts';
import { namerdKinds as builtInKinds } from '../settings/namerd/kinds.ts';
import { loadNamerd } from '../settings/namerd/load.ts';
import { createStore } from '../stores/kind.ts';
import type { DtabStore } from '../stores/store.ts';
import { serverTlsOptions } from '../tls/interface-tls.ts';
import { version } from '../version.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Outcome } from './outcome.ts';
import type { RunningProgram } from './running-program.ts';

export interface NamerdOptions {
  /** As the operator wrote it; read again at each reload. `<stdin>`: there is no file, and no reload. */
  readonly file: string;
  readonly text: string;
  readonly log: Log;
  /** What the configuration may name by `kind`; all that are built in unless given. */
  readonly kinds?: NamerdKinds;
}

type NamerdContext = Required<Omit<NamerdOptions, 'text'>>;

/** To drain it ends watches and lets requests finish. */
export interface RunningNamerd extends RunningProgram {
  /** Where its interfaces listen, in the order of the configuration. */
  readonly apiAddresses: readonly string[];
  /**
   * Checks the file again, and reads the certificates of its interfaces; what else it says takes effect with a restart.
   * @throws LinkerdTcpError CONFIG_INVALID or CONFIG_UNREADABLE
   */
  reload(): Promise<void>;
}

/** @throws LinkerdTcpError CONFIG_INVALID, CANNOT_LISTEN, or what the storage throws; then nothing runs. */
export async function startNamerd({ text, ...options }: NamerdOptions): Promise<RunningNamerd> {
  const { file, kinds = builtInKinds } = options;
  return startConfiguredNamerd(loadNamerd({ file, text }, kinds), { ...options, kinds });
}

/** With a configuration that is read already. @throws as {@link startNamerd} */
export async function startConfiguredNamerd(config: NamerdConfig, options: NamerdContext): Promise<RunningNamerd> {
  const namerd = new Namerd(config, options);
  await namerd.start();
  return namerd;
}

const storageIsSilent = 'the storage has not answered yet';

class Namerd implements RunningNamerd {
  readonly #config: NamerdConfig;
  readonly #options: NamerdContext;
  readonly #log: Log;
  readonly #registry = new Registry({ pages: 1, capacity: 1 << 14 });
  readonly #lifecycle: Lifecycle;
  readonly #apis: RunningApi[] = [];
  readonly #slices = new Slices();
  #waitingFor: readonly string[] = [storageIsSilent];
  #isStorageFailing = true;
  adminAddress = '';

  constructor(config: NamerdConfig, options: NamerdContext) {
    this.#config = config;
    this.#options = options;
    this.#log = options.log;
    this.#lifecycle = new Lifecycle(options.log);
  }

  get done(): Promise<Outcome> {
    return this.#lifecycle.done;
  }

  get stopping(): boolean {
    return this.#lifecycle.stopping;
  }

  get apiAddresses(): readonly string[] {
    return this.#apis.map(({ address }) => address);
  }

  async start(): Promise<void> {
    const log = this.#log;
    try {
      this.#lifecycle.onClose(measureProcess(this.#registry));
      const store = this.#openStore();
      const naming = { log, now: monotonicNow, random: Math.random, dns: createDns({ log }) };
      measureDns(this.#registry, naming.dns);
      const { stores: _, ...kinds } = this.#options.kinds;
      const mounted = mountNamers(this.#config.namers, kinds.namers, kinds.transformers, naming);
      const { namers } = mounted;
      const builtin = builtinNamer(naming.dns);
      const namespaces = new Namespaces({ store, namers, builtin, clock: systemClock });
      this.#lifecycle.onClose(() => namespaces.close());
      const answered = countRequests(this.#registry);
      const denied = reportDenials(this.#registry, log, monotonicNow);
      for (const [i, each] of this.#config.interfaces.entries())
        await this.#serve(each, i, {
          store,
          namespaces,
          slices: this.#slices,
          answered,
          denied,
          namerPrefixes: namers.map(({ prefix }) => prefix),
        });
      await this.#serveAdmin({ namespaces, store, slices: this.#slices, watches: () => mounted.watches() });
      this.#expose(namespaces, store);
    } catch (error) {
      await this.#lifecycle.close();
      throw error;
    }
  }

  shutdown(reason: string): void {
    this.#lifecycle.shutdown(() => this.#drain(reason));
  }

  abort(): void {
    this.#lifecycle.abort('ended at once; open requests are cut');
  }

  async reopenLogs(): Promise<void> {
    this.#log.info('no log file to reopen: namerd logs to standard output');
  }

  async reload(): Promise<void> {
    const { file, kinds } = this.#options;
    try {
      if (file.startsWith('<')) return this.#log.warn(`there is no file to read again (${file})`);
      const { text } = await readSource(file);
      const config = loadNamerd({ file, text, purpose: 'reload' }, kinds);
      this.#renewTls();
      if (JSON.stringify(config) === JSON.stringify(this.#config)) this.#log.info(`${file} has not changed`);
      else this.#log.warn(`${file} is valid and has changed: it takes effect with a restart`);
    } catch (error) {
      this.#log.error(`${file} is not valid, what ran goes on`, { report: reasonOf(error) });
      throw error;
    }
  }

  /** Certificates are read again where they were. */
  #renewTls(): void {
    for (const [i, { tls }] of this.#config.interfaces.entries()) {
      if (tls === undefined) continue;
      const api = this.#apis[i];
      try {
        api.renewTls(serverTlsOptions(tls));
        this.#log.info(`api ${api.address}: certificates read again`);
      } catch (error) {
        this.#log.error(`api ${api.address}: the certificates stay as they were`, { reason: reasonOf(error) });
      }
    }
  }

  #openStore(): DtabStore {
    const { storage } = this.#config;
    const context = { log: this.#log, now: monotonicNow, random: Math.random, epochMs: Date.now };
    const store = createStore(this.#options.kinds.stores, storage, context);
    this.#lifecycle.onClose(() => store.close());
    // Watched for as long as we run: what the namespaces are is what makes us ready, and it is at hand when it is asked for.
    const watch: Subscription = store.list().subscribe(state => {
      this.#isStorageFailing = state.state !== 'ok' || state.unconfirmed !== undefined;
      this.#waitingFor = state.state === 'ok' ? [] : [state.state === 'failed' ? state.error.message : storageIsSilent];
    });
    this.#lifecycle.onClose(() => watch.unsubscribe());
    this.#log.info(`dtabs are kept in ${storage.kind}`, { ...('path' in storage && { path: storage.path }) });
    return store;
  }

  async #serve(
    config: HttpControllerConfig,
    index: number,
    parts: Pick<
      Parameters<typeof startApi>[0],
      'store' | 'namespaces' | 'slices' | 'answered' | 'denied' | 'namerPrefixes'
    >,
  ): Promise<void> {
    const { ip, port, tls, auth, maxWatches } = config;
    const log = this.#log;
    const tokens = auth && (await LiveTokens.open(auth, log));
    if (tokens) this.#lifecycle.onClose(() => tokens.close());
    const api = await startApi({
      ...parts,
      ip,
      port,
      maxWatches,
      log,
      access: tokens?.access,
      ...(tls && { tls: serverTlsOptions(tls) }),
    }).catch(error => {
      throw adviseOnListening(error, `interfaces[${index}].port`);
    });
    this.#apis.push(api);
    this.#lifecycle.onClose(() => api.close(this.#config.admin.shutdownGraceMs));
    log.info(`api listening on ${tls ? 'https' : 'http'}://${api.address}`);
    if (!isLoopback(ip)) this.#adviseOnTrust(config, api.address);
  }

  /** What strangers could do to an API that more than this machine reaches. */
  #adviseOnTrust({ tls, auth }: HttpControllerConfig, address: string): void {
    if (auth === undefined && !tls?.requireClientAuth)
      this.#log.warn(
        `whoever reaches ${address} can change where traffic goes: there is no authentication; let only a network you trust ` +
          'reach it, or ask for tokens (interfaces[].auth) or certificates (interfaces[].tls.requireClientAuth)',
      );
    if (auth !== undefined && auth.tokens.length > 0 && tls === undefined)
      this.#log.warn(
        `tokens travel in clear to ${address}: whoever listens can use them; speak https (interfaces[].tls)`,
      );
  }

  async #serveAdmin(parts: Pick<NamerdView, 'namespaces' | 'store' | 'slices' | 'watches'>): Promise<void> {
    const { ip, port } = this.#config.admin;
    const admin = await startNamerdAdmin({
      ip,
      port,
      log: this.#log,
      registry: this.#registry,
      namerd: {
        config: () => hideSecrets(namerdSchema(this.#options.kinds), this.#config),
        ready: () => this.#ready(),
        shutdown: reason => this.shutdown(reason),
        ...parts,
      },
      exports: this.#config.telemetry.filter(each => each.kind === 'io.l5d.prometheus'),
    }).catch(error => {
      throw adviseOnListening(error, 'admin.port');
    });
    this.#lifecycle.onClose(() => admin.close());
    this.adminAddress = admin.address;
    for (const { kind } of this.#config.telemetry)
      if (kind !== 'io.l5d.prometheus') this.#log.warn(`telemetry ${kind} has no effect: metrics are at /metrics`);
    this.#log.info(`admin listening on http://${admin.address}`);
    if (!isLoopback(ip)) this.#log.warn(`whoever reaches ${admin.address} can stop this process`);
  }

  #ready(): Readiness {
    const waitingFor = this.#lifecycle.stopping ? ['namerd is stopping'] : this.#waitingFor;
    return { ready: waitingFor.length === 0, waitingFor };
  }

  #expose(namespaces: Namespaces, store: DtabStore): void {
    const scope = this.#registry.scope({});
    scope.computed('l5d:build_info', { version, node: process.versions.node }, () => 1);
    scope.computed('l5d:namerd:storage_failing', {}, () => Number(this.#isStorageFailing));
    scope.computed('l5d:namerd:storage_writes_failing', {}, () => Number(store.health?.writeFailure !== undefined));
    scope.computed('l5d:namerd:unreadable_namespaces', {}, () => store.health?.unreadable.size ?? 0);
    scope.computed('l5d:namerd:watches', {}, () => this.#apis.reduce((sum, { watches }) => sum + watches, 0));
    for (const what of ['trees', 'addrs'] as const)
      scope.computed('l5d:namerd:observations', { of: what }, () => namespaces.observed[what]);
  }

  async #drain(reason: string): Promise<void> {
    const { shutdownGraceMs } = this.#config.admin;
    this.#log.info(`stopping (${reason}): watches end, requests under way have ${shutdownGraceMs} ms`);
    const late = setTimeout(shutdownGraceMs, 'late' as const, { ref: false });
    if ((await Promise.race([this.#lifecycle.close(), late])) === 'late')
      this.#log.warn('not everything could be closed in time');
    this.#log.info('stopped');
  }
}
