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

/** An answer other than what was asked for. Some have no reason, some no details. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string | undefined;
  readonly details: object | undefined;

  constructor(code: number, reason: string | undefined, message: string, details?: object) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  get status() {
    const { code, reason, message, details } = this;
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code };
    return { ...status, ...(reason !== undefined && { reason }), ...(details !== undefined && { details }) };
  }
}

/** Of a field of an object, as validation refuses it. */
interface Fault {
  readonly field: string;
  readonly message: string;
}

interface Written extends Record<string, unknown> {
  readonly metadata?: Record<string, unknown>;
}

/** @param kind of the resource, or of its objects: the real one says now this, now that */
const details = (name: string, kind: 'dtabs' | 'DTab' = 'dtabs') => ({ name, group: 'l5d.io', kind });

function invalid(name: string, kind: 'dtabs.l5d.io' | 'DTab.l5d.io', faults: readonly Fault[]): Refusal {
  const shown = faults.map(({ field, message }) => `${field}: ${message}`);
  const causes = faults.map(({ field, message }) => ({ reason: 'FieldValueInvalid', message, field }));
  const all = shown.length === 1 ? shown[0] : `[${shown.join(', ')}]`;
  const about = details(name, kind === 'DTab.l5d.io' ? 'DTab' : 'dtabs');
  return new Refusal(422, 'Invalid', `${kind} "${name}" is invalid: ${all}`, { ...about, causes });
}

export class FakeObjects {
  readonly #objects = new Map<string, Stored>();
  #history: Change[] = [];
  /** Watches that begin at an older one receive 410 Gone. */
  #oldest = 0;
  /** As in a cluster where other things are written, too. */
  #revision = 1000;
  /** Top-level fields of the definition's schema; what else is written is dropped. Undefined: all are kept. */
  fields: readonly string[] | undefined;
  /** Thrown for each object that would be stored, as a validating webhook does. */
  admission: ((object: Stored) => void) | undefined;
  /** Whether its namespace is being deleted. */
  isTerminating = false;
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
    if (!isName) throw invalid(name, 'DTab.l5d.io', [{ field: 'metadata.name', message: nameFault(name) }]);
    if (body.metadata?.['resourceVersion'] !== undefined)
      throw new Refusal(500, undefined, 'resourceVersion should not be set on objects to be created');
    if (this.isTerminating) throw terminating(name, namespace);
    const present = this.#objects.get(name);
    if (present !== undefined) {
      const being = present.metadata['deletionTimestamp'] === undefined ? '' : 'object is being deleted: ';
      throw new Refusal(409, 'AlreadyExists', `${being}dtabs.l5d.io "${name}" already exists`, details(name));
    }
    const creationTimestamp = new Date().toISOString();
    const given = { ...body.metadata, name, namespace, uid: randomUUID(), generation: 1, creationTimestamp };
    return this.#store('ADDED', this.#admitted({ ...body, metadata: given }));
  }

  replace(name: string, body: Written): Stored {
    const present = this.get(name);
    const { metadata = {} } = body;
    if (metadata['name'] !== name)
      throw new Refusal(
        400,
        'BadRequest',
        `the name of the object (${metadata['name']}) does not match the name on the URL (${name})`,
      );
    const { resourceVersion, uid } = metadata;
    if (!resourceVersion) {
      const message = 'Invalid value: 0: must be specified for an update';
      throw invalid(name, 'dtabs.l5d.io', [{ field: 'metadata.resourceVersion', message }]);
    }
    if (!/^\d+$/.test(String(resourceVersion)))
      throw new Refusal(500, undefined, `strconv.ParseUint: parsing "${resourceVersion}": invalid syntax`);
    if (resourceVersion !== present.metadata.resourceVersion || (uid !== undefined && uid !== present.metadata.uid))
      throw new Refusal(
        409,
        'Conflict',
        `Operation cannot be fulfilled on dtabs.l5d.io "${name}": the object has been modified; please apply your changes to ` +
          'the latest version and try again',
        details(name),
      );
    const kept = ['namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'generation'];
    const own = Object.fromEntries(
      kept.flatMap(key => (key in present.metadata ? [[key, present.metadata[key]]] : [])),
    );
    const next = this.#admitted({ ...body, metadata: { ...metadata, ...own } });
    if (isDeepStrictEqual(next, present)) return present;
    if (present.metadata['deletionTimestamp'] !== undefined && !isHeld(next)) {
      // The event has the object as it was.
      const { resourceVersion: last } = this.#drop(present).metadata;
      return { ...next, metadata: { ...next.metadata, resourceVersion: last } };
    }
    const isSameSpec = isDeepStrictEqual({ ...next, metadata: 0 }, { ...present, metadata: 0 });
    return this.#store('MODIFIED', isSameSpec ? next : nextGeneration(next));
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
    const deleted = { deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 0 };
    return this.#store('MODIFIED', nextGeneration({ ...present, metadata: { ...present.metadata, ...deleted } }));
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
    const { metadata } = present;
    const refuse = (what: string, given: unknown, found: string, end: string) => {
      const text = `the ${what} in the precondition (${given}) does not match the ${what} in record (${found}). The object might ${end}`;
      const message = `Operation cannot be fulfilled on DTab.l5d.io "${metadata.name}": ${text}`;
      throw new Refusal(409, 'Conflict', message, details(metadata.name, 'DTab'));
    };
    if (uid !== undefined && uid !== metadata.uid)
      refuse('UID', uid, metadata.uid, 'have been deleted and then recreated');
    if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
      refuse('ResourceVersion', resourceVersion, metadata.resourceVersion, 'have been modified');
  }

  #admitted(object: Record<string, unknown>): Stored {
    const stored = this.#pruned(object);
    if (this.fields === undefined) validate(stored);
    this.admission?.(stored);
    return stored;
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

const nextGeneration = (object: Stored): Stored => {
  const generation = Number(object.metadata['generation'] ?? 0) + 1;
  return { ...object, metadata: { ...object.metadata, generation } };
};

/** By the patterns in examples/kubernetes/dtab-crd.yml. Other shapes pass: objects may be older than the definition. */
function validate(object: Stored): void {
  const dentries = object['dentries'];
  if (!Array.isArray(dentries)) return;
  const faults = dentries.flatMap((dentry, i): Fault[] => {
    const { prefix, dst } = dentry ?? {};
    const at = (field: string, value: string, words: string) => {
      const path = `dentries[${i}].${field}`;
      return { field: path, message: `Invalid value: ${JSON.stringify(value)}: ${path} in body ${words}` };
    };
    return [
      ...(dst === '' ? [at('dst', dst, 'should be at least 1 chars long')] : []),
      ...(typeof prefix === 'string' && !prefix.startsWith('/') ? [at('prefix', prefix, "should match '^/'")] : []),
    ];
  });
  if (faults.length > 0) throw invalid(object.metadata.name, 'DTab.l5d.io', faults);
}

const nameFault = (name: string): string =>
  `Invalid value: ${JSON.stringify(name)}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or ` +
  "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** Source: k8s.io/apiserver, admission plugin NamespaceLifecycle. */
function terminating(name: string, namespace: string): Refusal {
  const message = `dtabs.l5d.io "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new Refusal(403, 'Forbidden', message, { ...details(name), causes: [cause] });
}
