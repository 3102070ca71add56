/** How namespaces lie in ZooKeeper, as with Linkerd: a persistent znode for each under one path, its data the text of the dtab. */

import { type Acl, codes, create, Refusal, type Stat } from '../../clients/zookeeper/messages.ts';
import type { ZooKeeperSession } from '../../clients/zookeeper/session.ts';
import type { Dtab } from '../../dtab/dtab.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { Written } from '../backend.ts';
import { namespaceProblem } from '../namespace.ts';
import type { KeyState } from '../replica-cache.ts';
import type { Version } from '../store.ts';
import { readStoredDtab } from '../stored-text.ts';

export interface ZooKeeperLayout {
  /** What messages call the store. */
  readonly store: string;
  /** The path above the namespaces, e.g. `/dtabs`. */
  readonly prefix: string;
  readonly acls: readonly Acl[];
}

export const znodeOf = ({ prefix }: ZooKeeperLayout, namespace: string): string => `${prefix}/${namespace}`;

/** Undefined where `path` is none of a namespace. */
export function namespaceOf({ prefix }: ZooKeeperLayout, path: string): string | undefined {
  if (!path.startsWith(`${prefix}/`)) return undefined;
  const name = path.slice(prefix.length + 1);
  return nameProblem(name) === undefined ? name : undefined;
}

export function nameProblem(namespace: string): string | undefined {
  const problem = namespaceProblem(namespace);
  if (problem !== undefined) return problem;
  return /[\ud800-\uf8ff\ufff0-\uffff]/.test(namespace) ? 'it has a character that ZooKeeper does not take' : undefined;
}

/** The version of a znode's data, 4 bytes, the most significant first. */
export function versionBytes(version: number): Version {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, version);
  return bytes;
}

/** @returns undefined where no znode can have that version */
export function versionNumber(version: Version): number | undefined {
  if (version.length !== 4) return undefined;
  const number = new DataView(version.buffer, version.byteOffset).getInt32(0);
  return number < 0 ? undefined : number;
}

export const written = (namespace: string, dtab: Dtab, { modified, version }: Stat): Written => ({
  namespace,
  revision: modified,
  stored: { dtab, version: versionBytes(version) },
});

/** What a znode that was read says. */
export function keyStateOf(layout: ZooKeeperLayout, namespace: string, data: Buffer, stat: Stat): KeyState {
  const { modified, version, children } = stat;
  // A folder of somebody else; a dtab that is empty has no children.
  if (data.length === 0 && children > 0) return { namespace, revision: modified, stored: null };
  return {
    namespace,
    revision: modified,
    stored: { dtab: dtabOf(layout, namespace, data), version: versionBytes(version) },
  };
}

function dtabOf({ store }: ZooKeeperLayout, namespace: string, data: Buffer): Dtab | LinkerdTcpError {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch (cause) {
    return new LinkerdTcpError('STORE_UNREADABLE', { store, namespace, reason: 'its data is not UTF-8' }, { cause });
  }
  return readStoredDtab(store, namespace, text);
}

/** A namespace is there, but it is not for us. */
export function forbiddenState({ store }: ZooKeeperLayout, namespace: string, zxid: bigint, reason: string): KeyState {
  const dtab = new LinkerdTcpError('STORE_FORBIDDEN', { store, action: `read namespace ${namespace}`, reason });
  return { namespace, revision: zxid, stored: { dtab, version: new Uint8Array() } };
}

/** Makes a znode without data, and those above it, where they are missing. */
export async function makeParent(session: ZooKeeperSession, path: string, acls: readonly Acl[]): Promise<void> {
  const make = () =>
    session.ask(
      create(path, Buffer.alloc(0), acls),
      () => true,
      refusal => {
        if (refusal.code === codes.noNode) return false;
        if (refusal.code === codes.nodeExists) return true;
        throw refusal;
      },
    );
  if (await make()) return;
  await makeParent(session, path.slice(0, path.lastIndexOf('/')), acls);
  // Whoever deletes what we make shall not keep us at it.
  if (!(await make())) throw new Refusal(codes.noNode);
}
