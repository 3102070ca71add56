/**
 * The program `namerd`, running: opens its storage, mounts its namers, serves its interfaces, drains and stops.
 *
 * Order of a start: storage, namers, admin, interfaces. Nothing is half started: a failure stops what runs.
 */
import { setTimeout } from 'node:timers/promises';
import type { Subscription } from 'rxjs';
import { type NamerdView, startNamerdAdmin } from '../admin/namerd/server.ts';
import type { Readiness } from '../admin/readiness.ts';
import { isLoopback } from '../browser-guard.ts';
import { SharedClients } from '../clients/shared-clients.ts';
import { hideSecrets } from '../config/secret-fields.ts';
import { readSource } from '../config/source.ts';
import { adviseOnListening } from '../control/listen-advice.ts';
import { reasonOf } from '../errors.ts';
import { Namers } from '../interpreters/mounted-namers.ts';
import { monotonicNow } from '../io/clock.ts';
import { systemClock } from '../live/clock.ts';
import type { Log } from '../log.ts';
import { measureProcess } from '../metrics/process.ts';
import { Registry } from '../metrics/registry.ts';
import type { NamerdCore, RunningInterface } from '../namerd/core/interface.ts';
import { Namespaces } from '../namerd/core/namespaces.ts';
import { Slices } from '../namerd/core/sliced.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import { createDns, measureDns } from '../naming/dns.ts';
import { type NamerdConfig, type NamerdKinds, namerdSchema } from '../settings/namerd/config.ts';
import { namerdKinds as builtInKinds } from '../settings/namerd/kinds.ts';
import { loadNamerd } from '../settings/namerd/load.ts';
import { createStore } from '../stores/kind.ts';
import type { DtabStore } from '../stores/store.ts';
import { CertificateExpiry } from '../tls/certificate-monitor.ts';
import { version } from '../version.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Outcome } from './outcome.ts';
import type { RunningProgram } from './running-program.ts';

export interface NamerdOptions {
  /** As the operator wrote it; read again at each reload. `<stdin>`: there is no file, and no reload. */
  readonly file: string;
  readonly text: string;
  readonly log: Log;
  /** The kinds that the configuration can name; by default the built-in ones. */
  readonly kinds?: NamerdKinds;
}

type NamerdContext = Required<Omit<NamerdOptions, 'text'>>;

/** Its drain ends watches and lets requests finish. */
export interface RunningNamerd extends RunningProgram {
  /** Where its interfaces listen, in the order of the configuration. */
  readonly apiAddresses: readonly string[];
  /**
   * Checks the file again, and reads the certificates of its interfaces; other changes need a restart.
   * @throws LinkerdTcpError CONFIG_INVALID or CONFIG_UNREADABLE
   */
  reload(): Promise<void>;
}

/** @throws LinkerdTcpError CONFIG_INVALID, CANNOT_LISTEN, or what the storage throws; then nothing runs. */
export async function startNamerd({ text, ...options }: NamerdOptions): Promise<RunningNamerd> {
  const { file, kinds = builtInKinds } = options;
  const warned = (warning: string) => options.log.warn(warning);
  return startConfiguredNamerd(loadNamerd({ file, text, warned }, kinds), { ...options, kinds });
}

/** With a loaded configuration. @throws as {@link startNamerd} */
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
  readonly #interfaces: RunningInterface[] = [];
  readonly #certificates: CertificateExpiry;
  readonly #slices = new Slices();
  #waitingFor: readonly string[] = [storageIsSilent];
  #isStorageFailing = true;
  #isServing = false;
  adminAddress = '';

  constructor(config: NamerdConfig, options: NamerdContext) {
    this.#config = config;
    this.#options = options;
    this.#log = options.log;
    this.#lifecycle = new Lifecycle(options.log);
    this.#certificates = new CertificateExpiry(this.#registry, options.log);
  }

  get done(): Promise<Outcome> {
    return this.#lifecycle.done;
  }

  get stopping(): boolean {
    return this.#lifecycle.stopping;
  }

  get apiAddresses(): readonly string[] {
    return this.#interfaces.map(({ address }) => address);
  }

  async start(): Promise<void> {
    const log = this.#log;
    try {
      this.#lifecycle.onClose(measureProcess(this.#registry));
      this.#lifecycle.onClose(() => this.#certificates.close());
      const store = this.#openStore();
      const naming = {
        log,
        now: monotonicNow,
        random: Math.random,
        certificates: this.#certificates,
        clients: new SharedClients(),
        dns: createDns({ log }),
      };
      measureDns(this.#registry, naming.dns);
      const { stores: _, ...kinds } = this.#options.kinds;
      const mounted = new Namers({ ...kinds, context: naming, registry: this.#registry });
      this.#lifecycle.onClose(() => mounted.close());
      const namers = mounted.mount(this.#config.namers);
      const builtin = builtinNamer(naming.dns);
      const namespaces = new Namespaces({ store, namers, builtin, clock: systemClock });
      this.#lifecycle.onClose(() => namespaces.close());
      const core: NamerdCore = {
        store,
        namespaces,
        slices: this.#slices,
        namerPrefixes: namers.map(({ prefix }) => prefix),
        registry: this.#registry,
        certificates: this.#certificates,
        log,
        now: monotonicNow,
      };
      // Before the interfaces: a start that fails for the admin port must not have answered a client.
      await this.#serveAdmin({ namespaces, store, slices: this.#slices, watches: () => mounted.watches() });
      await this.#serve(core);
      this.#isServing = true;
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
    this.#lifecycle.abort('stopping immediately; pending requests are cut off');
  }

  async reopenLogs(): Promise<void> {
    this.#log.info('no log file to reopen: namerd logs to standard output');
  }

  async reload(): Promise<void> {
    const { file, kinds } = this.#options;
    try {
      if (file.startsWith('<'))
        return this.#log.warn(`reload ignored: the configuration came from ${file}, not from a file`);
      const { text } = await readSource(file);
      const config = loadNamerd({ file, text, purpose: 'reload' }, kinds);
      this.#renewTls();
      if (JSON.stringify(config) === JSON.stringify(this.#config)) this.#log.info(`${file} has not changed`);
      else this.#log.warn(`${file} has changed and is valid; restart namerd to apply it`);
    } catch (error) {
      this.#log.error(`${file}: reload failed; the running configuration stays in effect`, { report: reasonOf(error) });
      throw error;
    }
  }

  #renewTls(): void {
    for (const { address, renewTls } of this.#interfaces) {
      try {
        renewTls?.();
        if (renewTls !== undefined) this.#log.info(`api ${address}: certificates reloaded`);
      } catch (error) {
        this.#log.error(`api ${address}: keeping the previous certificates`, { reason: reasonOf(error) });
      }
    }
  }

  #openStore(): DtabStore {
    const { storage } = this.#config;
    const context = {
      log: this.#log,
      now: monotonicNow,
      random: Math.random,
      epochMs: Date.now,
      certificates: this.#certificates,
    };
    const store = createStore(this.#options.kinds.stores, storage, context);
    this.#lifecycle.onClose(() => store.close());
    // Watched all the time: namerd is ready once it knows the namespaces, and lists them without waiting.
    const watch: Subscription = store.list().subscribe(state => {
      this.#isStorageFailing = state.state !== 'ok' || state.unconfirmed !== undefined;
      this.#waitingFor = state.state === 'ok' ? [] : [state.state === 'failed' ? state.error.message : storageIsSilent];
    });
    this.#lifecycle.onClose(() => watch.unsubscribe());
    this.#log.info(`dtabs are kept in ${storage.kind}`, { ...('path' in storage && { path: storage.path }) });
    return store;
  }

  async #serve(core: NamerdCore): Promise<void> {
    for (const [i, config] of this.#config.interfaces.entries()) {
      const place = `interfaces[${i}]`;
      const kind = this.#options.kinds.interfaces.find(each => each.kind === config.kind)!;
      const running = await kind.start(config, core, place).catch(error => {
        throw adviseOnListening(error, `${place}.port`);
      });
      if (running === undefined) continue;
      this.#interfaces.push(running);
      this.#lifecycle.onClose(() => running.close(this.#config.admin.shutdownGraceMs));
    }
    if (this.#interfaces.length === 0)
      this.#log.warn(
        'no client can reach this namerd: none of its interfaces is served; add one of kind io.l5d.httpController',
      );
  }

  async #serveAdmin(parts: Pick<NamerdView, 'namespaces' | 'store' | 'slices' | 'watches'>): Promise<void> {
    const { ip, port, allowedHosts } = this.#config.admin;
    const admin = await startNamerdAdmin({
      ip,
      port,
      allowedHosts,
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
    if (!isLoopback(ip))
      this.#log.warn(
        `the admin API on ${admin.address} has no authentication: anyone who can reach it can stop namerd and read every dtab`,
      );
  }

  #ready(): Readiness {
    const starting = this.#isServing ? [] : ['the interfaces do not listen yet'];
    const waitingFor = this.#lifecycle.stopping ? ['namerd is stopping'] : [...this.#waitingFor, ...starting];
    return { ready: waitingFor.length === 0, waitingFor };
  }

  #expose(namespaces: Namespaces, store: DtabStore): void {
    const scope = this.#registry.scope({});
    scope.computed('l5d:build_info', { version, node: process.versions.node }, () => 1);
    scope.computed('l5d:namerd:storage_failing', {}, () => Number(this.#isStorageFailing));
    scope.computed('l5d:namerd:storage_writes_failing', {}, () => Number(store.health?.writeFailure !== undefined));
    scope.computed('l5d:namerd:unreadable_namespaces', {}, () => store.health?.unreadable.size ?? 0);
    scope.computed('l5d:namerd:watches', {}, () => this.#interfaces.reduce((sum, { watches }) => sum + watches, 0));
    for (const what of ['trees', 'addrs'] as const)
      scope.computed('l5d:namerd:observations', { of: what }, () => namespaces.observed[what]);
  }

  async #drain(reason: string): Promise<void> {
    const { shutdownGraceMs } = this.#config.admin;
    this.#log.info(`stopping (${reason}): watches end, pending requests have ${shutdownGraceMs} ms`);
    const late = setTimeout(shutdownGraceMs, 'late' as const, { ref: false });
    if ((await Promise.race([this.#lifecycle.close(), late])) === 'late')
      this.#log.warn('some connections were still open at the end of the grace period');
    this.#log.info('stopped');
  }
}
