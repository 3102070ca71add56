/** The requests of ZooKeeper's protocol that a store needs, and what its answers say. */
import { type JuteReader, JuteWriter } from './jute.ts';

export interface Request {
  readonly type: number;
  readonly body: Buffer;
}

export interface Acl {
  readonly scheme: string;
  readonly id: string;
  /** The sum of {@link permissions}. */
  readonly permissions: number;
}

export const permissions = { r: 1, w: 2, c: 4, d: 8, a: 16 } as const;

export const openToAll: readonly Acl[] = [{ scheme: 'world', id: 'anyone', permissions: 31 }];

/** The metadata of a znode. */
export interface Stat {
  /** The transaction that wrote the data last: grows with every write to the ensemble. */
  readonly modified: bigint;
  /** Counts the writes to this znode; begins at 0 again where it is deleted and created. */
  readonly version: number;
  readonly children: number;
}

export const anyVersion = -1;
/** Of no znode. */
export const noVersion = -2;

const request = (type: number, body: JuteWriter): Request => ({ type, body: body.written() });

/** Its answer tells the {@link Stat} too, unlike that of the older `create`. */
export function create(path: string, data: Uint8Array, acls: readonly Acl[]): Request {
  const body = new JuteWriter().text(path).bytes(data).int(acls.length);
  for (const { scheme, id, permissions } of acls) body.int(permissions).text(scheme).text(id);
  const persistent = 0;
  return request(15, body.int(persistent));
}

export const remove = (path: string, version: number) => request(2, new JuteWriter().text(path).int(version));

export const setData = (path: string, data: Uint8Array, version: number) =>
  request(5, new JuteWriter().text(path).bytes(data).int(version));

/** Leaves a watch there, if there is such a znode. */
export const getData = (path: string) => request(4, new JuteWriter().text(path).flag(true));

/** Leaves a watch there, if there is such a znode. */
export const getChildren = (path: string) => request(12, new JuteWriter().text(path).flag(true));

/** Whatever the same session asks afterwards is no older than this. */
export const sync = (path: string) => request(9, new JuteWriter().text(path));

export const ping: Request = { type: 11, body: Buffer.alloc(0) };

export const closeSession: Request = { type: -11, body: Buffer.alloc(0) };

export const authenticate = (scheme: string, auth: string) =>
  request(100, new JuteWriter().int(0).text(scheme).text(auth));

/** The first message of a connection: has no header. */
export function connect(timeoutMs: number): Buffer {
  const newSession = Buffer.alloc(16);
  return new JuteWriter().int(0).long(0n).int(timeoutMs).long(0n).bytes(newSession).flag(false).written();
}

export function readConnected(body: JuteReader): { readonly timeoutMs: number } {
  body.int();
  return { timeoutMs: body.int() };
}

export function readStat(body: JuteReader): Stat {
  body.long();
  const modified = body.long();
  body.long();
  body.long();
  const version = body.int();
  body.int();
  body.int();
  body.long();
  body.int();
  const children = body.int();
  return { modified, version, children };
}

export const eventTypes = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const;

export interface WatchEvent {
  readonly type: number;
  readonly path: string;
}

export function readEvent(body: JuteReader): WatchEvent {
  const type = body.int();
  body.int();
  return { type, path: body.text() };
}

/** Codes of answers; 0 is that of success. */
export const codes = {
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  notEmpty: -111,
  invalidAcl: -114,
  authFailed: -115,
} as const;

const meanings: Readonly<Record<number, string>> = {
  [-4]: 'the connection was lost (-4)',
  [-5]: 'it could not read the request (-5)',
  [-7]: 'it took too long (-7)',
  [-8]: 'the request is not right (-8)',
  [codes.noNode]: 'there is no such znode',
  [codes.noAuth]: "the znode's ACL does not allow it",
  [codes.badVersion]: 'the znode is at another version',
  [codes.nodeExists]: 'the znode exists',
  [codes.notEmpty]: 'the znode has children',
  [-112]: 'the session has expired',
  [codes.invalidAcl]: 'it does not take these ACLs; check `acls`, and `authInfo` for the scheme `auth`',
  [codes.authFailed]: 'it rejects `authInfo`',
  [-118]: 'the session has moved to another server (-118)',
  [-124]: 'the request took too long (-124)',
  [-125]: 'its quota is used up (-125)',
  [-127]: 'it has too much to do (-127)',
};

/** The server has answered no. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number) {
    super(meanings[code] ?? `error ${code}`);
    this.code = code;
  }
}
