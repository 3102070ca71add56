/**
 * The program `linkerd-tcp`, running: starts the parts a configuration asks for, follows its reloads, drains and stops.
 *
 * Order of a start: workers, admin, routes (naming begins), listeners. Nothing is half started: a failure stops what runs.
 */
import { setTimeout } from 'node:timers/promises';
import { AccessLog } from '../access-log/access-log.ts';
import type { Json } from '../admin/json.ts';
import { startAdmin } from '../admin/proxy/server.ts';
import type { AdminView } from '../admin/proxy/view.ts';
import { hideSecrets } from '../config/secret-fields.ts';
import { readSource } from '../config/source.ts';
import { adviseOnListening } from '../control/listen-advice.ts';
import type { ListeningServer } from '../control/listeners.ts';
import { NamingGraph } from '../control/naming-graph.ts';
import { ProxyParts } from '../control/proxy-parts.ts';
import { StateDir } from '../control/state-dir.ts';
import { parsePath } from '../dtab/parse.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { monotonicNow } from '../io/clock.ts';
import { chooseDriver } from '../io/drivers/choose-driver.ts';
import type { Log } from '../log.ts';
import { measureProcess } from '../metrics/process.ts';
import { Registry } from '../metrics/registry.ts';
import { configSchema, type Kinds, type LinkerdTcpConfig, workersOf } from '../settings/linkerd-tcp/config.ts';
import { kinds as builtInKinds } from '../settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../settings/linkerd-tcp/load.ts';
import { version } from '../version.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Outcome } from './outcome.ts';
import type { RunningProgram } from './running-program.ts';

export type { Outcome } from './outcome.ts';

export interface ProxyOptions {
  /** As the operator wrote it; read again at each reload. `<stdin>`: there is no file, and no reload. */
  readonly file: string;
  readonly text: string;
  readonly log: Log;
  /** What the configuration may name by `kind`; all that are built in unless given. */
  readonly kinds?: Kinds;
}

export interface RunningProxy extends RunningProgram {
  /** Where it listens now, with the ports that were taken for 0. */
  readonly servers: readonly ListeningServer[];
  /**
   * Reads the file again. A failure is logged too, and the running configuration stays in effect.
   * @throws LinkerdTcpError CONFIG_INVALID, CONFIG_UNREADABLE, CANNOT_LISTEN, CANNOT_WRITE or STOPPING
   */
  reload(): Promise<void>;
}

/** Where the system cannot share a port between the sockets of several threads, one thread has it. */
const canSharePorts = !['darwin', 'win32', 'openbsd'].includes(process.platform);

/** How long a stop waits for a reload that is under way. */
const reloadBoundMs = 5_000;

/** @throws LinkerdTcpError CONFIG_INVALID or CANNOT_LISTEN; then nothing runs. */
export async function startProxy({ text, ...options }: ProxyOptions): Promise<RunningProxy> {
  const { file, kinds = builtInKinds } = options;
  const warned = (text: string) => options.log.warn(text);
  return startConfigured(loadLinkerdTcp({ file, text, warned }, kinds), { ...options, kinds });
}

/** With a configuration that is read already. @throws LinkerdTcpError CANNOT_LISTEN; then nothing runs. */
export async function startConfigured(
  config: LinkerdTcpConfig,
  { file, log, kinds }: Required<Omit<ProxyOptions, 'text'>>,
): Promise<RunningProxy> {
  const proxy = new LinkerdTcp(file, log, kinds, config);
  await proxy.start();
  return proxy;
}

class LinkerdTcp implements RunningProxy {
  readonly #file: string;
  readonly #log: Log;
  readonly #kinds: Kinds;
  readonly #registry: Registry;
  readonly #lifecycle: Lifecycle;
  readonly #reloads: { readonly ok: number; readonly failed: number };
  /** As started: some of it cannot change. */
  readonly #initial: LinkerdTcpConfig;
  readonly #workers: number;
  #config: LinkerdTcpConfig;
  #parts: ProxyParts | undefined;
  #accessLog: AccessLog | undefined;
  #isStarted = false;
  #reloading: Promise<unknown> = Promise.resolve();
  adminAddress = '';

  constructor(file: string, log: Log, kinds: Kinds, config: LinkerdTcpConfig) {
    this.#file = file;
    this.#log = log;
    this.#lifecycle = new Lifecycle(log);
    this.#kinds = kinds;
    this.#initial = config;
    this.#config = config;
    this.#workers = canSharePorts ? workersOf(config) : 1;
    this.#registry = new Registry({ pages: this.#workers + 1 });
    const scope = this.#registry.scope({});
    const reloads = scope.counters('l5d:config:reloads', 'result', ['ok', 'failed']);
    this.#reloads = { ok: reloads, failed: reloads + 1 };
    scope.computed('l5d:build_info', { version, node: process.versions.node }, () => 1);
  }

  get done(): Promise<Outcome> {
    return this.#lifecycle.done;
  }

  get stopping(): boolean {
    return this.#lifecycle.stopping;
  }

  get servers(): readonly ListeningServer[] {
    return this.#parts?.servers() ?? [];
  }

  async start(): Promise<void> {
    const registry = this.#registry;
    const log = this.#log;
    const config = this.#config;
    try {
      this.#lifecycle.onClose(() => this.#accessLog?.close());
      this.#lifecycle.onClose(measureProcess(registry));
      if (this.#workers < workersOf(config))
        log.info(`one worker: on ${process.platform} threads cannot share a port to listen on`);
      const driver = await chooseDriver(config.driver);
      log.info(`driver ${driver.kind} (${driver.reason}), workers: ${this.#workers}`);
      registry.scope({ driver: driver.kind }).computed('l5d:driver_info', {}, () => 1);
      const naming = new NamingGraph(log, registry, this.#kinds);
      this.#lifecycle.onClose(() => naming.close());
      const stateDir = config.stateDir && (await StateDir.open({ dir: config.stateDir, log, now: monotonicNow }));
      const parts = await ProxyParts.start({
        stateDir: stateDir || undefined,
        registry,
        log,
        driver: driver.kind,
        naming,
        workers: this.#workers,
        records: records => this.#accessLog?.write(records),
        died: error => this.#lifecycle.died(error),
      });
      this.#parts = parts;
      this.#lifecycle.onClose(() => parts.terminate());
      // Before the listeners: a start that fails for the admin port must not have accepted a connection.
      const admin = await startAdmin({ ...config.admin, proxy: this.#view(parts), registry, log }).catch(error => {
        throw adviseOnListening(error, 'admin.port');
      });
      this.#lifecycle.onClose(() => admin.close());
      this.adminAddress = admin.address;
      this.#reloading = this.#apply(config, parts);
      await this.#reloading;
      this.#isStarted = true;
      log.info(`admin listening on http://${admin.address}`);
    } catch (error) {
      await this.#lifecycle.close();
      throw error;
    }
  }

  shutdown(reason: string): void {
    this.#lifecycle.shutdown(() => this.#drain(reason));
  }

  abort(): void {
    this.#lifecycle.abort('ended at once; open connections are cut');
  }

  async reopenLogs(): Promise<void> {
    if (this.#accessLog === undefined) return this.#log.info('no access log to reopen');
    if (await this.#accessLog.reopen()) this.#log.info('access log reopened');
  }

  reload(): Promise<void> {
    // One at a time: a request that comes during a reload reads the file again afterwards.
    const reloading = this.#reloading.then(() => this.#reload());
    // Its failure is logged, and told to who asked.
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  async #reload(): Promise<void> {
    const { main } = this.#registry;
    try {
      this.#refuseWhenStopping();
      if (this.#file === '<stdin>') {
        throw new LinkerdTcpError('CONFIG_UNREADABLE', {
          file: '<stdin>',
          reason: 'standard input cannot be read again',
        });
      }
      const { text } = await readSource(this.#file);
      const config = loadLinkerdTcp(
        { file: this.#file, text, purpose: 'reload', warned: text => this.#log.warn(text) },
        this.#kinds,
      );
      this.#warnOfFixed(config);
      await this.#apply(config, this.#parts as ProxyParts);
      main.add(this.#reloads.ok, 1);
      this.#log.info(`${this.#file} reloaded`);
    } catch (error) {
      main.add(this.#reloads.failed, 1);
      this.#logFailedReload(error);
      throw error;
    }
  }

  #logFailedReload(error: unknown): void {
    const isReport = error instanceof LinkerdTcpError && error.code === 'CONFIG_INVALID';
    this.#log.error(
      `${this.#file}: reload failed; the running configuration stays in effect`,
      isReport ? { report: error.message } : { reason: reasonOf(error) },
    );
  }

  #refuseWhenStopping(): void {
    if (this.#lifecycle.stopping) throw new LinkerdTcpError('STOPPING');
  }

  /** Keys a running process cannot change. */
  #warnOfFixed(config: LinkerdTcpConfig): void {
    const initial = this.#initial;
    const changed = [
      config.admin.ip !== initial.admin.ip || config.admin.port !== initial.admin.port ? 'the address of admin' : '',
      workersOf(config) !== workersOf(initial) ? 'workers' : '',
      config.driver !== initial.driver ? 'driver' : '',
      config.stateDir !== initial.stateDir ? 'stateDir' : '',
    ].filter(text => text !== '');
    if (changed.length > 0) this.#log.warn(`${changed.join(' and ')} changed: needs a restart, the rest is reloaded`);
  }

  /** What the last reload asked for, without what only a restart can change. */
  #inForce(): LinkerdTcpConfig {
    const { admin, workers, driver, stateDir } = this.#initial;
    const { workers: _, stateDir: __, ...config } = this.#config;
    return {
      ...config,
      admin: { ...config.admin, ip: admin.ip, port: admin.port },
      driver,
      ...(workers !== undefined && { workers }),
      ...(stateDir !== undefined && { stateDir }),
    };
  }

  /** All of it, or nothing: what may fail comes first. @throws LinkerdTcpError CANNOT_WRITE, CANNOT_LISTEN */
  async #apply(config: LinkerdTcpConfig, parts: ProxyParts): Promise<void> {
    const before = this.#accessLog;
    const stays = before !== undefined && sameAccessLog(config, this.#config);
    const next = stays ? before : await this.#openAccessLog(config);
    try {
      this.#refuseWhenStopping();
      await parts.apply(config);
    } catch (error) {
      if (next !== before) await next?.close();
      throw error;
    }
    this.#config = config;
    this.#accessLog = next;
    parts.record(next !== undefined);
    await (stays ? before.reopen() : before?.close());
  }

  async #openAccessLog({ accessLog }: LinkerdTcpConfig): Promise<AccessLog | undefined> {
    return accessLog && AccessLog.open({ ...accessLog, registry: this.#registry, log: this.#log });
  }

  async #drain(reason: string): Promise<void> {
    // A listener must not be opened behind the drain's back. Bounded: the disk of an access log may be away.
    await Promise.race([this.#reloading, setTimeout(reloadBoundMs, undefined, { ref: false })]);
    const { graceSecs } = this.#config.admin;
    const open = this.#parts?.connections() ?? 0;
    const wait = open === 0 ? 'no open connections' : `${connectionsText(open)} open, ${graceSecs} s to finish`;
    this.#log.info(`stopping (${reason}): ${wait}${open > 0 ? '; a second signal stops at once' : ''}`);
    const cut = (await this.#parts?.drain(graceSecs * 1000)) ?? 0;
    if (cut > 0) this.#log.warn(`${connectionsText(cut)} cut off after ${graceSecs} s`);
    await this.#lifecycle.close();
    this.#log.info('stopped');
  }

  /** Why nothing is served, whatever the names say. */
  #notServing(): readonly string[] | undefined {
    if (this.#lifecycle.stopping) return ['the proxy is stopping'];
    return this.#isStarted ? undefined : ['the proxy is starting'];
  }

  #view(parts: ProxyParts): AdminView {
    return {
      config: () => hideSecrets(configSchema(this.#kinds), this.#inForce()),
      routes: () => parts.routes(),
      delegate: async (router, path) => (await parts.delegate(router, parsed(path))) as Json,
      ready: () => {
        const waitingFor = this.#notServing() ?? parts.waitingFor();
        return { ready: waitingFor.length === 0, waitingFor };
      },
      shutdown: () => this.shutdown('POST /shutdown'),
      abort: () => this.abort(),
      reload: () => this.reload(),
    };
  }
}

const connectionsText = (count: number): string => `${count} connection${count === 1 ? '' : 's'}`;

const sameAccessLog = (a: LinkerdTcpConfig, b: LinkerdTcpConfig): boolean =>
  JSON.stringify(a.accessLog) === JSON.stringify(b.accessLog);

function parsed(path: string) {
  try {
    return parsePath(path);
  } catch (error) {
    throw new LinkerdTcpError('NAME_INVALID', { path, reason: reasonOf(error) });
  }
}
