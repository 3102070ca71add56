/** `delete`: a namespace and its dtab. */
import { LinkerdTcpError } from '../../errors.ts';
import { newest } from '../after-write.ts';
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';
import { nameOf } from '../past-versions.ts';
import type { Session } from '../session.ts';

export const del: CommandSpec = {
  name: 'delete',
  aliases: ['del', 'rm'],
  summary: 'delete a dtab',
  about:
    'Names of that namespace no longer resolve. Proxies keep their last known endpoints (onNegative: keep, the default with ' +
    'namerd) or refuse new connections (fail). On a terminal it asks first. Undo it with namerctl restore.',
  args: [namespaceArgument],
  flags: [
    { flags: '--version <version>', description: 'only if this is the current version' },
    { flags: '--yes', description: 'do not ask' },
  ],
  examples: [
    ['delete staging', 'in whatever version it is'],
    ['delete staging --version AAAAAAAAAAE=', 'only if it has not changed since: namerctl get staging'],
  ],
  isOfDtab: true,
  async run(session, [word], { version, yes }) {
    const namespace = namespaceIn(word);
    // From a script whose variable is empty: it must not mean any version.
    if (version === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: '--version is empty' });
    if (!yes && !(await isAgreed(session, namespace))) {
      session.print('Nothing was deleted.\n');
      return exitCodes.refused.code;
    }
    await session.api.delete(namespace, version as string | undefined);
    if (session.isJson) session.print(jsonLine({ namespace, deleted: true }));
    else session.print(`Deleted ${namespace}${await undoText(session, namespace)}\n`);
    return undefined;
  },
};

/** A script is not asked. */
async function isAgreed({ terminal, api }: Session, namespace: string): Promise<boolean> {
  if (terminal.ask === undefined) return true;
  const { dtab } = await api.get(namespace);
  const rules = `${dtab.length} rule${dtab.length === 1 ? '' : 's'}`;
  return /^y(?:es)?$/i.test((await terminal.ask(`Delete ${namespace} with ${rules}? [y/N] `)).trim());
}

async function undoText(session: Session, namespace: string): Promise<string> {
  const last = (await newest(session, namespace))?.find(({ isDeletion }) => !isDeletion);
  return last === undefined ? '' : `.   Undo: namerctl restore ${namespace} ${nameOf(last)}`;
}
