/**
 * The custom resource `dtabs.l5d.io`: a dtab as an object of Kubernetes, one for each namespace.
 *
 *   {"apiVersion": "l5d.io/v1alpha1", "kind": "DTab", "metadata": {"name": "default", …}, "dentries": [{"prefix", "dst"}, …]}
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type KubernetesObject, revisionOf } from '../../clients/kubernetes/objects.ts';
import type { Dentry, Dtab } from '../../dtab/dtab.ts';
import { parsePrefix, parseTree } from '../../dtab/parse.ts';
import { showPrefix, showTree } from '../../dtab/show.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { KeyState } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { briefReason } from '../stored-text.ts';

export const resource = { group: 'l5d.io', version: 'v1alpha1', plural: 'dtabs', kind: 'DTab' } as const;

/** Where the dtabs of a namespace of Kubernetes are. */
export const collectionPath = (namespace: string): string =>
  `/apis/${resource.group}/${resource.version}/namespaces/${namespace}/${resource.plural}`;

interface StoredDentry {
  readonly prefix: string;
  readonly dst: string;
}

const storedDentries = (dtab: Dtab): readonly StoredDentry[] =>
  dtab.map(({ prefix, dst }) => ({ prefix: showPrefix(prefix), dst: showTree(dst) }));

export const newObject = (namespace: string, dtab: Dtab) => ({
  apiVersion: `${resource.group}/${resource.version}`,
  kind: resource.kind,
  metadata: { name: namespace },
  dentries: storedDentries(dtab),
});

/**
 * `object` with another dtab; all else in it belongs to others and stays.
 *
 * Kubernetes gives no new version to an object that is replaced by its equal, and namerd promises one for each write: then a mark
 * makes the difference.
 */
export function withDtab(object: KubernetesObject, dtab: Dtab) {
  const dentries = storedDentries(dtab);
  if (!isDeepStrictEqual(dentries, object['dentries'])) return { ...object, dentries };
  const { metadata } = object;
  const annotations = { ...(metadata['annotations'] as object | undefined), 'l5d.io/written-again': randomUUID() };
  return { ...object, metadata: { ...metadata, annotations }, dentries };
}

/** One that was deleted is gone for us, also while its finalizers keep it. */
export const isGone = ({ metadata }: KubernetesObject): boolean => metadata.deletionTimestamp !== undefined;

export const versionOf = ({ metadata }: KubernetesObject): Version => Buffer.from(metadata.resourceVersion);

/** @param store what messages call it */
export function keyStateOf(store: string, object: KubernetesObject): KeyState {
  const { name: namespace, resourceVersion } = object.metadata;
  const revision = revisionOf(resourceVersion);
  if (isGone(object)) return { namespace, revision, stored: null };
  return { namespace, revision, stored: { dtab: readDtab(store, object), version: versionOf(object) } };
}

export function readDtab(store: string, object: KubernetesObject): Dtab | LinkerdTcpError {
  try {
    return dtabOf(object['dentries']);
  } catch (error) {
    const details = { store, namespace: object.metadata.name, reason: reasonOf(error) };
    return new LinkerdTcpError('STORE_UNREADABLE', details, { cause: error });
  }
}

function dtabOf(dentries: unknown): Dtab {
  if (!Array.isArray(dentries)) throw new Error(`dentries is ${shown(dentries)}, not a list`);
  return dentries.map((dentry: unknown, i) => {
    const { prefix, dst } = (dentry ?? {}) as Partial<Record<string, unknown>>;
    if (typeof prefix !== 'string' || typeof dst !== 'string')
      throw new Error(`dentries[${i}] is ${shown(dentry)}, not {"prefix": "/…", "dst": "/…"}`);
    return readDentry(prefix, dst, i);
  });
}

function readDentry(prefix: string, dst: string, i: number): Dentry {
  try {
    return { prefix: parsePrefix(prefix), dst: parseTree(dst) };
  } catch (error) {
    throw new Error(`dentries[${i}]: ${briefReason(error)}`, { cause: error });
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 100);

const longestName = 253;

/** Why no object can have that name (RFC 1123, as Kubernetes narrows it); undefined when one can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name.length > longestName) return `it is longer than ${longestName} characters`;
  if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)) return undefined;
  return 'Kubernetes takes lower-case letters, digits, - and ., and a letter or digit at both ends of each part';
}
