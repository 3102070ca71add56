/**
 * What is under a path of ZooKeeper, told live through one session: all znodes first, then each change.
 *
 * A watch of ZooKeeper tells once that something has changed, not what; the read that follows sets the next one in the same step,
 * so nothing is missed, though of several changes in a row only the last may be seen. The order of a session (session.ts)
 * makes each answer, and each outcome of our own writes, true when it is taken: a later one is never older.
 */

import {
  codes,
  eventTypes,
  getChildren,
  getData,
  readStat,
  sync,
  type WatchEvent,
} from '../../clients/zookeeper/messages.ts';
import type { Answer, ZooKeeperSession } from '../../clients/zookeeper/session.ts';
import type { Report } from '../backend.ts';
import type { KeyState } from '../replica-cache.ts';
import {
  forbiddenState,
  keyStateOf,
  makeParent,
  nameProblem,
  namespaceOf,
  type ZooKeeperLayout,
  znodeOf,
} from './layout.ts';

export interface WatchOutput {
  next(report: Report): void;
  error(error: unknown): void;
}

/** An ACL that now lets us in tells nobody. */
const recheckMs = 30_000;

export class ZooKeeperWatch {
  readonly #session: ZooKeeperSession;
  readonly #layout: ZooKeeperLayout;
  readonly #out: WatchOutput;
  readonly #stopListening: () => void;
  readonly #recheck: NodeJS.Timeout;
  /** Namespaces that are there, as far as this session has told. */
  readonly #there = new Set<string>();
  /** Those whose znode has a watch of ours, or a read on its way that sets one. */
  readonly #watched = new Set<string>();
  /** Those we may not read. */
  readonly #forbidden = new Set<string>();
  /** What the first list named and is not read yet; undefined before it. */
  #unread: Set<string> | undefined;
  /** What is known so far of what is told as one; undefined once it is told. */
  #first: Map<string, KeyState> | undefined = new Map();
  #listedAt = 0n;
  #isListing = false;
  #isOver = false;

  constructor(session: ZooKeeperSession, layout: ZooKeeperLayout, out: WatchOutput) {
    this.#session = session;
    this.#layout = layout;
    this.#out = out;
    this.#stopListening = session.listen({
      event: event => this.#changed(event),
      ended: reason => this.#fail(reason),
    });
    this.#recheck = setInterval(() => {
      this.#list();
      for (const namespace of this.#forbidden) this.#read(namespace);
    }, recheckMs);
    // This server may lag behind the one we had before.
    session.ask(sync(layout.prefix), () => {}).catch(error => this.#fail(error));
    this.#list();
  }

  stop(): void {
    this.#isOver = true;
    this.#stopListening();
    clearInterval(this.#recheck);
  }

  /** The outcome of a write through the same session, as soon as it is here. */
  wrote(keyState: KeyState): void {
    if (keyState.stored === null) this.#forget(keyState.namespace);
    else this.#there.add(keyState.namespace);
    this.#tell(keyState);
  }

  #changed({ type, path }: WatchEvent): void {
    if (path === this.#layout.prefix) return this.#list();
    const namespace = namespaceOf(this.#layout, path);
    if (namespace === undefined) return;
    this.#watched.delete(namespace);
    // One that is gone is missing from the list, which is read for the same reason.
    if (type === eventTypes.dataChanged) this.#read(namespace);
  }

  /** A list that is on its way when a change is told comes from after that change. */
  #list(): void {
    if (this.#isListing) return;
    this.#isListing = true;
    const listed = ({ zxid }: Pick<Answer, 'zxid'>, names: readonly string[]) => {
      this.#isListing = false;
      this.#listed(zxid, names);
    };
    this.#session
      .ask(
        getChildren(this.#layout.prefix),
        answer => listed(answer, answer.body.texts()),
        (refusal, zxid) => {
          if (refusal.code !== codes.noNode) throw refusal;
          listed({ zxid }, []);
          return this.#makePrefix();
        },
      )
      .catch(error => this.#fail(error));
  }

  async #makePrefix(): Promise<void> {
    await makeParent(this.#session, this.#layout.prefix, this.#layout.acls);
    if (!this.#isOver) this.#list();
  }

  #listed(zxid: bigint, names: readonly string[]): void {
    if (this.#isOver) return;
    this.#listedAt = zxid;
    const namespaces = new Set(names.filter(name => nameProblem(name) === undefined));
    this.#unread ??= new Set(namespaces);
    for (const namespace of this.#there) {
      if (namespaces.has(namespace)) continue;
      this.#forget(namespace);
      this.#tell({ namespace, revision: zxid, stored: null });
    }
    for (const namespace of namespaces) {
      this.#there.add(namespace);
      if (!this.#watched.has(namespace)) this.#read(namespace);
    }
    this.#tellFirst();
  }

  #forget(namespace: string): void {
    for (const set of [this.#there, this.#watched, this.#forbidden]) set.delete(namespace);
    this.#unread?.delete(namespace);
  }

  #read(namespace: string): void {
    this.#watched.add(namespace);
    this.#session
      .ask(
        getData(znodeOf(this.#layout, namespace)),
        ({ zxid, body }) => {
          const keyState = keyStateOf(this.#layout, namespace, body.bytes(), readStat(body));
          // A change of the ACL is none of the data: what was forbidden would seem newer.
          const revision = this.#forbidden.delete(namespace) ? zxid : keyState.revision;
          this.#tell({ ...keyState, revision });
          this.#wasRead(namespace);
        },
        (refusal, zxid) => {
          if (refusal.code === codes.noAuth) {
            this.#forbidden.add(namespace);
            this.#tell(forbiddenState(this.#layout, namespace, zxid, refusal.message));
          } else if (refusal.code === codes.noNode) this.#watched.delete(namespace);
          else throw refusal;
          this.#wasRead(namespace);
        },
      )
      .catch(error => this.#fail(error));
  }

  #wasRead(namespace: string): void {
    this.#unread?.delete(namespace);
    this.#tellFirst();
  }

  #tell(keyState: KeyState): void {
    if (this.#isOver) return;
    if (this.#first === undefined) this.#out.next({ type: 'changed', keyState });
    else if (keyState.stored === null) this.#first.delete(keyState.namespace);
    else this.#first.set(keyState.namespace, keyState);
  }

  /** All that there is, once each of the namespaces has been read. */
  #tellFirst(): void {
    if (this.#isOver || this.#first === undefined || this.#unread === undefined || this.#unread.size > 0) return;
    const keyStates = [...this.#first.values()];
    this.#first = undefined;
    this.#out.next({ type: 'snapshot', snapshot: { revision: this.#listedAt, keyStates } });
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.stop();
    this.#out.error(error);
  }
}
