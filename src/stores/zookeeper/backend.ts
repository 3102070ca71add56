/**
 * Namespaces as znodes of ZooKeeper (layout.ts), watched and written through one session.
 *
 * The revision of a keyState is the number of the transaction it comes from, or, of what is not there, the last one that the server
 * had applied when it said so. These numbers grow for the whole ensemble, also through the election of another leader.
 */
import { Observable } from 'rxjs';
import { Ensemble, type EnsembleOptions } from '../../clients/zookeeper/ensemble.ts';
import {
  anyVersion,
  codes,
  create,
  noVersion,
  Refusal,
  type Request,
  readStat,
  remove,
  setData,
} from '../../clients/zookeeper/messages.ts';
import { type Answer, longestRequest, SessionEnded, type ZooKeeperSession } from '../../clients/zookeeper/session.ts';
import type { Dtab } from '../../dtab/dtab.ts';
import { showDtab } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { type Backend, type Report, uncertainHint, type Written } from '../backend.ts';
import type { KeyState } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { makeParent, nameProblem, versionNumber, written, type ZooKeeperLayout, znodeOf } from './layout.ts';
import { ZooKeeperWatch } from './watch.ts';

export interface ZooKeeperOptions extends EnsembleOptions, ZooKeeperLayout {}

/** A write that finds no session gives up, and is never sent: a caller who was refused must not be surprised later. */
const patienceMs = 2000;
/** Somebody else may delete and create the same namespace between our steps. */
const putAttempts = 5;

/** The path of the znode and its ACLs are part of the request. */
const maxTextBytes = longestRequest - 16_384;

export class ZooKeeperBackend implements Backend {
  readonly maxTextBytes = maxTextBytes;
  readonly #layout: ZooKeeperLayout;
  readonly #ensemble: Ensemble;
  readonly #watches = new Set<{ readonly session: ZooKeeperSession; readonly watch: ZooKeeperWatch }>();

  constructor(options: ZooKeeperOptions) {
    this.#layout = options;
    this.#ensemble = new Ensemble(options);
  }

  watch(): Observable<Report> {
    return new Observable(out => {
      out.add(this.#ensemble.hold());
      this.#ensemble.session().then(
        session => {
          if (out.closed) return;
          const error = (error: unknown) => out.error(this.#told(error, 'watch its namespaces'));
          const watch = new ZooKeeperWatch(session, this.#layout, { next: report => out.next(report), error });
          const entry = { session, watch };
          this.#watches.add(entry);
          out.add(() => {
            this.#watches.delete(entry);
            watch.stop();
          });
        },
        error => out.error(this.#told(error, 'watch its namespaces')),
      );
    });
  }

  namespaceProblem(namespace: string): string | undefined {
    return nameProblem(namespace);
  }

  create(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, session => this.#create(session, namespace, dtab));
  }

  update(namespace: string, dtab: Dtab, version: Version | undefined): Promise<Written> {
    const expected = version === undefined ? anyVersion : (versionNumber(version) ?? noVersion);
    return this.#write(namespace, session => this.#setData(session, namespace, dtab, expected));
  }

  put(namespace: string, dtab: Dtab): Promise<Written> {
    return this.#write(namespace, async session => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#setData(session, namespace, dtab, anyVersion);
        } catch (error) {
          if (!isRefusal(error, codes.noNode)) throw error;
        }
        try {
          return await this.#create(session, namespace, dtab);
        } catch (error) {
          if (!isRefusal(error, codes.nodeExists)) throw error;
        }
        if (attempt === putAttempts)
          throw new Error(
            `gave up after ${putAttempts} attempts: another client keeps deleting and creating the znode`,
          );
      }
    });
  }

  delete(namespace: string, version?: Version): Promise<KeyState> {
    const expected = version === undefined ? anyVersion : (versionNumber(version) ?? noVersion);
    return this.#write(namespace, session =>
      this.#ask(session, remove(znodeOf(this.#layout, namespace), expected), ({ zxid }) => ({
        namespace,
        revision: zxid,
        stored: null,
      })),
    );
  }

  close(): Promise<void> {
    return this.#ensemble.close();
  }

  async #create(session: ZooKeeperSession, namespace: string, dtab: Dtab): Promise<Written> {
    const request = create(znodeOf(this.#layout, namespace), bytesOf(dtab), this.#layout.acls);
    const ask = () =>
      this.#ask(session, request, ({ body }) => {
        body.text();
        return written(namespace, dtab, readStat(body));
      });
    try {
      return await ask();
    } catch (error) {
      if (!isRefusal(error, codes.noNode)) throw error;
    }
    const { prefix, acls } = this.#layout;
    try {
      await makeParent(session, prefix, acls);
      return await ask();
    } catch (error) {
      if (!isRefusal(error, codes.noNode)) throw error;
      throw new Error(`another client keeps deleting ${prefix}`, { cause: error });
    }
  }

  #setData(session: ZooKeeperSession, namespace: string, dtab: Dtab, version: number): Promise<Written> {
    return this.#ask(session, setData(znodeOf(this.#layout, namespace), bytesOf(dtab), version), ({ body }) =>
      written(namespace, dtab, readStat(body)),
    );
  }

  /** Asks for a write. Its outcome is told to the watch of the session in its place among what that hears. */
  #ask<F extends KeyState>(session: ZooKeeperSession, request: Request, take: (answer: Answer) => F): Promise<F> {
    return session.ask(request, answer => {
      const keyState = take(answer);
      for (const each of this.#watches) if (each.session === session) each.watch.wrote(keyState);
      return keyState;
    });
  }

  async #write<F extends KeyState>(namespace: string, run: (session: ZooKeeperSession) => Promise<F>): Promise<F> {
    const release = this.#ensemble.hold();
    try {
      return await run(await this.#session());
    } catch (error) {
      throw this.#told(error, `write namespace ${namespace}`, namespace);
    } finally {
      release();
    }
  }

  async #session(): Promise<ZooKeeperSession> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(this.#ensemble.failure ?? new Error(`no session within ${patienceMs} ms`));
    }, patienceMs);
    try {
      return await Promise.race([this.#ensemble.session(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #told(error: unknown, action: string, namespace?: string): unknown {
    const { store } = this.#layout;
    if (error instanceof SessionEnded && error.wasSent && namespace !== undefined) {
      return new LinkerdTcpError(
        'STORE_UNAVAILABLE',
        { store, action, reason: error.message, hint: uncertainHint },
        { cause: error },
      );
    }
    if (!(error instanceof Refusal)) return error;
    const options = { cause: error };
    if (namespace !== undefined) {
      if (error.code === codes.noNode) return new LinkerdTcpError('STORE_MISSING', { namespace, store }, options);
      if (error.code === codes.nodeExists) return new LinkerdTcpError('STORE_EXISTS', { namespace, store }, options);
      if (error.code === codes.badVersion) return new LinkerdTcpError('STORE_CONFLICT', { namespace, store }, options);
    }
    if (!forbidding.has(error.code)) return error;
    return new LinkerdTcpError('STORE_FORBIDDEN', { store, action, reason: reasonOf(error) }, options);
  }
}

const forbidding: ReadonlySet<number> = new Set([codes.noAuth, codes.invalidAcl, codes.authFailed]);

const bytesOf = (dtab: Dtab): Buffer => Buffer.from(showDtab(dtab));

const isRefusal = (error: unknown, code: number): error is Refusal => error instanceof Refusal && error.code === code;
