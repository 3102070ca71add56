/**
 * The state of a fake API server: objects, one counter of revisions for all of them, and a history that watches read and that can be
 * forgotten. Refusals are thrown as {@link Refusal}, with the words of the real one.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

export interface Stored {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Record<string, unknown> & {
    readonly name: string;
    readonly resourceVersion: string;
    readonly uid: string;
  };
  readonly [key: string]: unknown;
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly object: Stored;
}

/** An answer other than what was asked for. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: object;

  constructor(code: number, reason: string, message: string, details: object = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  get status() {
    const { code, reason, message, details } = this;
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
  }
}

interface Written extends Record<string, unknown> {
  readonly metadata?: Record<string, unknown>;
}

const details = (name: string) => ({ name, group: 'l5d.io', kind: 'dtabs' });

export class FakeObjects {
  readonly #objects = new Map<string, Stored>();
  #history: Change[] = [];
  /** Watches that begin at an older one receive 410 Gone. */
  #oldest = 0;
  /** As in a cluster where other things are written, too. */
  #revision = 1000;
  /** Top-level fields of the definition's schema; what else is written is dropped. Undefined: all are kept. */
  fields: readonly string[] | undefined;
  /** Told of each change. */
  changed: (change: Change) => void = () => undefined;

  get revision(): number {
    return this.#revision;
  }

  get history(): readonly Change[] {
    return this.#history;
  }

  /** Writes to something else. */
  advance(by = 1): void {
    this.#revision += by;
  }

  /** Forgets the history before the current revision. */
  compact(): void {
    this.#history = [];
    this.#oldest = ++this.#revision;
  }

  /** @throws Refusal 410 */
  since(revision: number): readonly Change[] {
    if (revision < this.#oldest)
      throw new Refusal(410, 'Expired', `too old resource version: ${revision} (${this.#oldest})`);
    return this.#history.filter(change => change.revision > revision);
  }

  all(): readonly Stored[] {
    return [...this.#objects.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#objects.has(name);
  }

  get(name: string): Stored {
    const found = this.#objects.get(name);
    if (found === undefined) throw new Refusal(404, 'NotFound', `dtabs.l5d.io "${name}" not found`, details(name));
    return found;
  }

  create(namespace: string, body: Written): Stored {
    const name = String(body.metadata?.['name'] ?? '');
    const isName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name) && name.length <= 253;
    if (!isName) throw new Refusal(422, 'Invalid', `DTab.l5d.io "${name}" is invalid: metadata.name`, details(name));
    if (body.metadata?.['resourceVersion'] !== undefined)
      throw new Refusal(400, 'BadRequest', 'resourceVersion should not be set on objects to be created');
    const present = this.#objects.get(name);
    if (present !== undefined) {
      const being = present.metadata['deletionTimestamp'] === undefined ? '' : 'object is being deleted: ';
      throw new Refusal(409, 'AlreadyExists', `${being}dtabs.l5d.io "${name}" already exists`, details(name));
    }
    const creationTimestamp = new Date().toISOString();
    const given = { ...body.metadata, name, namespace, uid: randomUUID(), generation: 1, creationTimestamp };
    return this.#store('ADDED', this.#pruned({ ...body, metadata: given }));
  }

  replace(name: string, body: Written): Stored {
    const present = this.get(name);
    const { metadata = {} } = body;
    if (metadata['name'] !== name)
      throw new Refusal(400, 'BadRequest', 'the name of the object does not match the name on the URL');
    if (!metadata['resourceVersion'])
      throw new Refusal(
        422,
        'Invalid',
        `dtabs.l5d.io "${name}" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update`,
        details(name),
      );
    this.#check(present, { resourceVersion: metadata['resourceVersion'], uid: metadata['uid'] });
    const kept = ['namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'generation'];
    const own = Object.fromEntries(
      kept.flatMap(key => (key in present.metadata ? [[key, present.metadata[key]]] : [])),
    );
    const next = this.#pruned({ ...body, metadata: { ...metadata, ...own } });
    if (isDeepStrictEqual(next, present)) return present;
    if (isHeld(present) && !isHeld(next)) return this.#drop(next);
    return this.#store('MODIFIED', next);
  }

  /** Undefined once it is removed; the object while a finalizer keeps it. */
  delete(name: string, preconditions: Preconditions = {}): Stored | undefined {
    const present = this.get(name);
    this.#check(present, preconditions);
    if (!isHeld(present)) {
      this.#drop(present);
      return undefined;
    }
    if (present.metadata['deletionTimestamp'] !== undefined) return present;
    const deletionTimestamp = new Date().toISOString();
    return this.#store('MODIFIED', { ...present, metadata: { ...present.metadata, deletionTimestamp } });
  }

  /** The argument of `restore`. */
  backup() {
    return { objects: new Map(this.#objects), revision: this.#revision };
  }

  /** Puts back an earlier state, its revision included, as a restored etcd does. */
  restore({ objects, revision }: { readonly objects: ReadonlyMap<string, Stored>; readonly revision: number }): void {
    this.#objects.clear();
    for (const [name, object] of objects) this.#objects.set(name, object);
    this.#revision = revision;
    this.#oldest = 0;
    this.#history = [];
  }

  #check(present: Stored, { uid, resourceVersion }: Preconditions): void {
    const { name } = present.metadata;
    const refuse = (what: string) => {
      throw new Refusal(
        409,
        'Conflict',
        `Operation cannot be fulfilled on dtabs.l5d.io "${name}": ${what}`,
        details(name),
      );
    };
    if (uid !== undefined && uid !== present.metadata.uid) refuse('Precondition failed: UID');
    if (resourceVersion !== undefined && resourceVersion !== present.metadata.resourceVersion)
      refuse('the object has been modified; please apply your changes to the latest version and try again');
  }

  #pruned(object: Record<string, unknown>): Stored {
    const kept = new Set(['apiVersion', 'kind', 'metadata', ...(this.fields ?? Object.keys(object))]);
    return Object.fromEntries(Object.entries(object).filter(([key]) => kept.has(key))) as never;
  }

  #store(type: Change['type'], object: Stored): Stored {
    const revision = ++this.#revision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#objects.set(stored.metadata.name, stored);
    this.#tell({ type, revision, object: stored });
    return stored;
  }

  #drop(object: Stored): Stored {
    const revision = ++this.#revision;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#objects.delete(object.metadata.name);
    this.#tell({ type: 'DELETED', revision, object: last });
    return last;
  }

  #tell(change: Change): void {
    this.#history.push(change);
    this.changed(change);
  }
}

export interface Preconditions {
  readonly uid?: unknown;
  readonly resourceVersion?: unknown;
}

const isHeld = ({ metadata }: Stored): boolean =>
  Array.isArray(metadata['finalizers']) && metadata['finalizers'].length > 0;
