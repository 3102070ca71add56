/** `explain`: the delegation tree of a name, step by step. */
import { decodeDelegation } from '../../naming/json/delegation.ts';
import { askName, nameFlags, pathArgument, understood } from '../asked-name.ts';
import type { CommandSpec } from '../command-spec.ts';
import { drawDelegation } from '../delegation-drawing.ts';
import { jsonLine } from '../layout.ts';

export const explain: CommandSpec = {
  name: 'explain',
  aliases: ['delegate'],
  summary: 'show step by step what a name means',
  about:
    'Every line is a path, and in parentheses the dentry that made it. Where a path has several, they are tried from the top. ' +
    '✓ is where traffic goes, · what stands by, ✗ where a way ends.',
  args: [pathArgument],
  flags: nameFlags,
  examples: [
    ['explain /svc/web', 'in the namespace default'],
    ["explain /svc/web -n staging --dtab '/svc => /v2'", 'as if that dentry stood at the end of staging'],
    ['explain /svc/web --json', 'the tree as namerd sends it'],
  ],
  isOfDtab: false,
  async run(session, [word], flags) {
    const { json } = await askName(session, 'delegate', word, flags);
    const tree = understood(session, 'delegate', () => decodeDelegation(json));
    session.print(session.isJson ? jsonLine(json) : drawDelegation(tree, session.paint));
    return undefined;
  },
};
