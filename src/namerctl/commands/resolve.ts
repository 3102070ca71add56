/** `resolve`: the addresses of a name, for scripts. */
import { LinkerdTcpError } from '../../errors.ts';
import { decodeAddr } from '../../naming/json/addr.ts';
import { addressText, hostPort } from '../address-text.ts';
import { askName, nameFlags, pathArgument, understood } from '../asked-name.ts';
import type { CommandSpec } from '../command-spec.ts';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../layout.ts';

export const resolve: CommandSpec = {
  name: 'resolve',
  summary: 'print the addresses of a name',
  about:
    'One address per line. Where the name is divided by weights, namerd draws one of the branches each time: use bind to see ' +
    'them all. A name without addresses ends with exit code 1.',
  args: [pathArgument],
  flags: nameFlags,
  examples: [
    ['resolve /svc/web', 'in the namespace default'],
    ['resolve /svc/web --json', 'with what is known of each address'],
  ],
  isOfDtab: false,
  async run(session, [word], flags) {
    const { namespace, path, json } = await askName(session, 'resolve', word, flags);
    const addr = understood(session, 'resolve', () => decodeAddr(json));
    const addresses = addr.state === 'bound' ? addr.addresses : [];
    if (session.isJson) {
      session.print(jsonLine(json));
      return addresses.length > 0 ? undefined : exitCodes.refused.code;
    }
    if (addresses.length === 0) {
      const reason = addr.state === 'failed' ? addressText(addr) : 'there are none just now';
      throw new LinkerdTcpError('NAME_UNBOUND', { namespace, path, reason });
    }
    session.print(addresses.map(address => `${hostPort(address)}\n`).join(''));
    return undefined;
  },
};
