/** The outcome of a write: the new version, the command that undoes it, and the warnings of namerd. */
import { LinkerdTcpError } from '../errors.ts';
import type { DtabBody } from './namerd-api.ts';
import { nameOf, type PastVersion } from './past-versions.ts';
import type { Session } from './session.ts';

/** The newest versions, without their dtabs; undefined where namerd keeps no history or does not know numbers. */
export async function newest(session: Session, namespace: string): Promise<readonly PastVersion[] | undefined> {
  try {
    const { versions } = await session.api.history(namespace, { limit: 2 });
    return versions.every(({ number }) => number !== undefined) ? versions : undefined;
  } catch (error) {
    // The write is done, and only its echo is lost.
    if (error instanceof LinkerdTcpError) return undefined;
    throw error;
  }
}

/** `: version 11 → 12.   Undo: namerctl restore default 11`, as much of it as is known. */
export async function versionsText(session: Session, namespace: string): Promise<string> {
  const versions = await newest(session, namespace);
  if (versions === undefined || versions.length === 0) return '';
  const [current, previous] = versions;
  if (previous === undefined) return `: version ${nameOf(current)}`;
  const undo = previous.isDeletion ? '' : `.   Undo: namerctl restore ${namespace} ${nameOf(previous)}`;
  return `: version ${nameOf(previous)} → ${nameOf(current)}${undo}`;
}

/** Shows the warnings of the server, if it has any to give. */
export async function warnOf(session: Session, namespace: string, body: DtabBody): Promise<void> {
  for (const warning of await session.api.warnings(namespace, body)) {
    session.terminal.complain(`namerctl: warning: ${namespace}: ${warning}\n`);
  }
}
