/** `explain`: the delegation tree of a name, step by step. */

import type { Delegation } from '../../naming/delegation.ts';
import { decodeDelegation } from '../../naming/json/delegation.ts';
import { newest } from '../after-write.ts';
import { askName, nameFlags, pathArgument, understood } from '../asked-name.ts';
import type { CommandSpec } from '../command-spec.ts';
import { drawDelegation, hasLoop } from '../delegation-drawing.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';
import { nameOf } from '../past-versions.ts';
import type { Session } from '../session.ts';
import { timeText } from '../times.ts';

export const explain: CommandSpec = {
  name: 'explain',
  aliases: ['delegate'],
  summary: 'show step by step how a name resolves',
  about:
    'Every line is a path, and in parentheses the rule that made it. Alternatives are tried from the top. ✓ receives traffic, · is ' +
    'a fallback that currently receives none, ⚠ receives traffic and has no addresses, ✗ resolves to nothing, ↻ is a loop. ✓ does ' +
    'not mean that an endpoint is up: namerd does not know; see /routes.json of a proxy.',
  args: [pathArgument],
  flags: nameFlags,
  examples: [
    ['explain /svc/web', 'in the namespace default'],
    ["explain /svc/web -n staging --dtab '/svc => /v2'", 'as if that rule were the last one of staging'],
    ['explain /svc/web --json', 'the tree as namerd sends it'],
  ],
  isOfDtab: false,
  async run(session, [word], flags) {
    const { namespace, json } = await askName(session, 'delegate', word, flags);
    const tree = understood(session, 'delegate', () => decodeDelegation(json));
    if (session.isJson) session.print(jsonLine(json));
    else await show(session, namespace, tree, flags.dtab !== undefined);
    return hasLoop(tree) ? exitCodes.refused.code : undefined;
  },
};

async function show(session: Session, namespace: string, tree: Delegation, hasOwnRules: boolean): Promise<void> {
  const isNothing = tree.type === 'neg';
  if (isNothing && !hasOwnRules && (await session.api.versionOf(namespace)) === undefined)
    throw await session.api.missing(namespace);
  const { isTty } = session.terminal;
  if (isTty) session.print(await heading(session, namespace));
  session.print(drawDelegation(tree, session.paint));
  if (isTty) session.print('namerd does not know whether endpoints are up: see /routes.json of a proxy.\n');
}

/** Which version that is, as far as namerd knows. */
async function heading(session: Session, namespace: string): Promise<string> {
  const [current] = (await newest(session, namespace)) ?? [];
  if (current === undefined) return '';
  const { terminal, paint } = session;
  const details = [`version ${nameOf(current)}`, current.by, timeText(current.at, terminal.now(), true)];
  return paint('dim', `in ${namespace} (${details.filter(text => text !== undefined).join(', ')})\n`);
}
