/**
 * The TLS contexts of a running proxy: made of settings and files, published to the workers, and published again whenever their
 * files change or a ticket key is due.
 *
 * Equal settings share one context, also across reloads. A configuration is prepared first; contexts are published when they are
 * requested, before anything can refer to them; `commit` withdraws what only the configuration before used,
 * `abandon` what only this one would have used.
 */
import { randomBytes } from 'node:crypto';
import { maxTimerMs } from '../config/fields.ts';
import { monotonicNow } from '../io/clock.ts';
import type { TlsContext, TlsContextId } from '../io/tls/context.ts';
import type { Log } from '../log.ts';
import type { ClientTlsSpec, ServerTlsSpec } from '../proxy/messages.ts';
import type { LinkerdTcpConfig, RouterConfig } from '../settings/linkerd-tcp/config.ts';
import { expiryCheckMs } from '../tls/certificate-monitor.ts';
import type { ClientTlsConfig, DestinationTls } from '../tls/client-tls.ts';
import { clientContext, serverContext } from '../tls/compose-context.ts';
import { Credentials, type Dated } from '../tls/credentials.ts';
import { ExpiryWarnings } from '../tls/expiry.ts';
import { normalName } from '../tls/host-name.ts';
import type { LoadedIdentity } from '../tls/identity-files.ts';
import type { LiveFiles } from '../tls/live-files.ts';
import type { IdentityConfig, ServerTlsConfig } from '../tls/server-tls.ts';
import { TicketKeys } from '../tls/ticket-keys.ts';

export interface TlsContextsOptions {
  /** Before anything refers to it; and again, under the same id, when it changed. */
  readonly publish: (id: TlsContextId, context: TlsContext) => void;
  /** When nothing refers to it any more. */
  readonly withdraw: (id: TlsContextId) => void;
  /** Shows when the certificate of a router's clients expires. @returns a function that ends it */
  readonly expose: (labels: ExpiryLabels, secondsLeft: () => number) => () => void;
  readonly nextId: () => TlsContextId;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  /** Milliseconds since the epoch. */
  readonly wallNow?: () => number;
  readonly random?: (bytes: number) => Uint8Array;
  /** How long files must be unchanged before they are read again. */
  readonly settleMs?: number;
}

/** Labels of `l5d:tls:cert:expiry_seconds`. */
export interface ExpiryLabels {
  readonly rt: string;
  /** A server name, `default`, or `client`. */
  readonly identity: string;
  /** '' for clients. */
  readonly srv_addr: string;
}

/** Contexts by the name that a client asks for. */
export type Identities = Omit<ServerTlsSpec, 'cells'>;

/** The TLS contexts of one configuration. They may be requested until another configuration is committed. */
export interface PreparedTls {
  server(tls: ServerTlsConfig): Identities;
  /** @throws LinkerdTcpError TLS_UNUSABLE, though not where `prepare` has seen the same `client` */
  client(tls: DestinationTls & { readonly ok: true }): ClientTlsSpec;
  commit(): void;
  abandon(): void;
}

type AnyFiles = LiveFiles<Dated>;

interface LiveContext {
  readonly id: TlsContextId;
  /** Its settings and files. */
  readonly files: readonly AnyFiles[];
  readonly tickets: TicketKeys | undefined;
  readonly identity: LiveFiles<LoadedIdentity> | undefined;
  /** The server name that clients ask for; '' for a default, and for client contexts. */
  readonly name: string;
  readonly compose: () => TlsContext;
}

/** The contexts that a configuration uses. */
class Usage {
  readonly contexts = new Set<LiveContext>();
  readonly files = new Set<AnyFiles>();
  readonly tickets = new Set<TicketKeys>();
}

const settleMs = 50;

export class TlsContexts {
  readonly #options: TlsContextsOptions;
  readonly #now: () => number;
  readonly #wallNow: () => number;
  readonly #credentials: Credentials;
  readonly #warnings: ExpiryWarnings;
  readonly #expiryCheck: NodeJS.Timeout;
  readonly #contexts = new Map<string, LiveContext>();
  readonly #tickets = new Map<string, TicketKeys>();
  #usage = new Usage();
  #ticketTimer: NodeJS.Timeout | undefined;
  #exposed: (() => void)[] = [];

  constructor(options: TlsContextsOptions) {
    const { log } = options;
    this.#options = options;
    this.#now = options.now ?? monotonicNow;
    this.#wallNow = options.wallNow ?? Date.now;
    const changed = (files: AnyFiles): void => this.#changed(files);
    this.#credentials = new Credentials({ log, settleMs: options.settleMs ?? settleMs, changed });
    this.#warnings = new ExpiryWarnings(log, this.#wallNow);
    this.#expiryCheck = setInterval(() => this.#checkExpiry(), expiryCheckMs).unref();
  }

  /**
   * Reads all files that it needs; publishes nothing new.
   * @throws LinkerdTcpError TLS_UNUSABLE, and then nothing has changed
   */
  prepare(config: LinkerdTcpConfig): PreparedTls {
    const usage = new Usage();
    try {
      for (const { servers, client } of config.routers) {
        for (const { tls } of servers) if (tls) this.#readServer(tls, usage);
        for (const tls of layersOf(client)) this.#readClient(tls, usage);
      }
    } catch (error) {
      this.#release(this.#usage);
      throw error;
    }
    for (const files of usage.files) if (this.#usage.files.has(files)) files.refresh();
    return {
      server: tls => this.#server(tls, usage),
      client: tls => this.#client(tls, usage),
      commit: () => this.#commit(usage, config),
      abandon: () => this.#release(this.#usage),
    };
  }

  /** Reads the seconds until the first certificate of the context's chain expires, less than 0 afterwards. */
  expiryOf(id: TlsContextId): () => number {
    const context = [...this.#contexts.values()].find(each => each.id === id);
    return () => this.#secondsLeft(context?.identity ? [context.identity] : []);
  }

  /** Stops following files. Published contexts stay with the workers. */
  close(): void {
    clearInterval(this.#expiryCheck);
    clearTimeout(this.#ticketTimer);
    for (const end of this.#exposed.splice(0)) end();
    this.#credentials.keepOnly(new Set());
  }

  #readServer(tls: ServerTlsConfig, usage: Usage): void {
    for (const [, files] of identitiesOf(tls)) usage.files.add(this.#credentials.identity(files));
    if (tls.trustCerts) usage.files.add(this.#credentials.trust(tls.trustCerts));
    if (tls.crls) usage.files.add(this.#credentials.crls(tls.crls));
  }

  /** Of each entry: a destination gets them in a mixture that is known when it is. */
  #readClient(tls: ClientTlsConfig, usage: Usage): void {
    if (tls.clientAuth) usage.files.add(this.#credentials.identity(tls.clientAuth));
    if (tls.trustCerts) usage.files.add(this.#credentials.trust(tls.trustCerts));
    if (tls.crls) usage.files.add(this.#credentials.crls(tls.crls));
  }

  #server(tls: ServerTlsConfig, usage: Usage): Identities {
    const exact: Record<string, TlsContextId> = {};
    const wildcard: Record<string, TlsContextId> = {};
    let fallback: TlsContextId | null = null;
    for (const [name, files] of identitiesOf(tls)) {
      const { id } = this.#serverContext(tls, name, files, usage);
      if (name === '') fallback = id;
      else if (name.startsWith('*')) wildcard[name.slice(1)] = id;
      else exact[name] = id;
    }
    return { exact, wildcard, fallback };
  }

  #serverContext(tls: ServerTlsConfig, name: string, files: IdentityConfig, usage: Usage): LiveContext {
    const { identities: _, defaultIdentity: __, handshakeTimeoutMs: ___, maxClientHelloBytes: ____, ...settings } = tls;
    return this.#context(['server', name, files, settings], usage, () => {
      const identity = this.#credentials.identity(files);
      const trust = tls.trustCerts && this.#credentials.trust(tls.trustCerts);
      const crls = tls.crls && this.#credentials.crls(tls.crls);
      const tickets = tls.sessionTickets.enabled ? this.#ticketKeys(tls) : undefined;
      const compose = (): TlsContext =>
        serverContext(tls, {
          name,
          identity: identity.value,
          trust: trust?.value.pem ?? '',
          crls: crls?.value.pem ?? '',
          ticketKeys: tickets?.keys() ?? [],
        });
      return { files: [identity, trust, crls], tickets, identity, name, compose };
    });
  }

  #client({ settings, serverName }: DestinationTls & { readonly ok: true }, usage: Usage): ClientTlsSpec {
    const { id } = this.#context(['client', settings], usage, () => {
      const identity = settings.clientAuth && this.#credentials.identity(settings.clientAuth);
      const trust = settings.trustCerts && this.#credentials.trust(settings.trustCerts);
      const crls = settings.crls && this.#credentials.crls(settings.crls);
      const compose = (): TlsContext =>
        clientContext(settings, {
          identity: identity?.value ?? null,
          trust: trust?.value.pem ?? null,
          crls: crls?.value.pem ?? '',
        });
      return { files: [identity, trust, crls], tickets: undefined, identity, name: '', compose };
    });
    return { context: id, serverName };
  }

  /** The one of that key; published when it is new. */
  #context(
    parts: readonly unknown[],
    usage: Usage,
    make: () => Omit<LiveContext, 'id' | 'files'> & { readonly files: readonly (AnyFiles | undefined)[] },
  ): LiveContext {
    const key = JSON.stringify(parts);
    let context = this.#contexts.get(key);
    if (context === undefined) {
      const made = make();
      context = { ...made, files: made.files.filter(each => each !== undefined), id: this.#options.nextId() };
      this.#options.publish(context.id, context.compose());
      this.#contexts.set(key, context);
    }
    usage.contexts.add(context);
    for (const files of context.files) usage.files.add(files);
    if (context.tickets) usage.tickets.add(context.tickets);
    return context;
  }

  #ticketKeys({ sessionTickets: { rotateSecs, lifetimeSecs } }: ServerTlsConfig): TicketKeys {
    const key = `${rotateSecs} ${lifetimeSecs}`;
    let keys = this.#tickets.get(key);
    if (keys === undefined) {
      const random = this.#options.random ?? randomBytes;
      keys = new TicketKeys({ rotateMs: rotateSecs * 1000, lifetimeMs: lifetimeSecs * 1000, now: this.#now, random });
      this.#tickets.set(key, keys);
      this.#awaitTurn();
    }
    return keys;
  }

  #awaitTurn(): void {
    clearTimeout(this.#ticketTimer);
    const next = Math.min(...[...this.#tickets.values()].map(keys => keys.nextTurn()));
    if (next === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(Math.max(0, Math.ceil(next - this.#now())), maxTimerMs);
    this.#ticketTimer = setTimeout(() => this.#turnKeys(), wait).unref();
  }

  #turnKeys(): void {
    const turned = new Set([...this.#tickets.values()].filter(keys => keys.turn()));
    for (const context of this.#contexts.values())
      if (context.tickets && turned.has(context.tickets)) this.#options.publish(context.id, context.compose());
    this.#awaitTurn();
  }

  #changed(files: AnyFiles): void {
    for (const context of this.#contexts.values())
      if (context.files.includes(files)) {
        this.#options.publish(context.id, context.compose());
        if (context.identity === files) this.#warnOfName(context);
      }
    this.#checkExpiry();
  }

  #commit(usage: Usage, config: LinkerdTcpConfig): void {
    const before = this.#usage;
    this.#usage = usage;
    this.#release(usage);
    for (const files of usage.files)
      if (!before.files.has(files)) for (const warning of files.warnings) this.#options.log.warn(warning);
    for (const context of usage.contexts) if (!before.contexts.has(context)) this.#warnOfName(context);
    for (const router of config.routers) this.#warnOfCredulity(router);
    this.#exposeClients(config);
    this.#checkExpiry();
  }

  /** Withdraws and forgets what is not in use. */
  #release({ contexts, files, tickets }: Usage): void {
    for (const [key, context] of this.#contexts) {
      if (contexts.has(context)) continue;
      this.#contexts.delete(key);
      this.#options.withdraw(context.id);
    }
    for (const [key, keys] of this.#tickets) if (!tickets.has(keys)) this.#tickets.delete(key);
    this.#awaitTurn();
    this.#credentials.keepOnly(files);
  }

  #warnOfName({ name, identity }: LiveContext): void {
    if (name === '' || identity === undefined) return;
    // Of a wildcard, any name it stands for.
    const { leaf, file } = identity.value;
    if (leaf.checkHost(name.replace(/^\*/, 'any'), { subject: 'never' }) !== undefined) return;
    this.#options.log.warn(`the certificate in ${file} is not for ${name}: clients that ask for it will not accept it`);
  }

  #warnOfCredulity({ label, client }: RouterConfig): void {
    const entries = client.kind === 'io.l5d.static' ? client.configs : [{ ...client, prefix: '/' }];
    for (const { prefix, tls } of entries)
      if (tls?.disableValidation && tls.enabled !== false)
        this.#options.log.warn(
          `TLS to backends of ${prefix} is not verified (disableValidation): traffic can be intercepted; ` +
            'set dnsName and trustCerts instead',
          { router: label, prefix },
        );
  }

  #exposeClients({ routers }: LinkerdTcpConfig): void {
    for (const end of this.#exposed.splice(0)) end();
    for (const { label, client } of routers) {
      const shown = layersOf(client).flatMap(({ clientAuth }) =>
        clientAuth ? [this.#credentials.identity(clientAuth)] : [],
      );
      if (shown.length === 0) continue;
      const labels = { rt: label, identity: 'client', srv_addr: '' };
      this.#exposed.push(this.#options.expose(labels, () => this.#secondsLeft(shown)));
    }
  }

  #secondsLeft(identities: readonly LiveFiles<LoadedIdentity>[]): number {
    if (identities.length === 0) return Number.NaN;
    const first = Math.min(...identities.map(({ value }) => value.notAfter));
    return Math.floor((first - this.#wallNow()) / 1000);
  }

  #checkExpiry(): void {
    this.#warnings.check([...this.#usage.files].flatMap(({ value }) => value.expiring));
  }
}

/** The default one has no name; names are normal. */
const identitiesOf = ({ defaultIdentity, identities = {} }: ServerTlsConfig): [string, IdentityConfig][] => [
  ...(defaultIdentity ? [['', defaultIdentity] as [string, IdentityConfig]] : []),
  ...Object.entries(identities).map(([name, files]): [string, IdentityConfig] => [normalName(name), files]),
];

const layersOf = (client: RouterConfig['client']): ClientTlsConfig[] =>
  (client.kind === 'io.l5d.static' ? client.configs : [client]).flatMap(({ tls }) => (tls ? [tls] : []));
