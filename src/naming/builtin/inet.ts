/** Names that say where they are: `/$/inet/<host>/<port>`, `/$/inet/<port>` and their kin. */
import { type Observable, of } from 'rxjs';
import { leaf, type NameTree, neg } from '../../dtab/name-tree.ts';
import { type Path, textOf } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { LinkerdTcpError } from '../../errors.ts';
import { type Activity, failed, ok } from '../../live/activity.ts';
import { addrOfHosts } from '../addr-of-hosts.ts';
import type { Dns, Host } from '../dns.ts';
import type { Name } from '../name.ts';

type Answer = Observable<Activity<NameTree<Name>>>;
type Resolve = (host: string) => Observable<Host>;

export function inet(dns: Dns, rest: Path): Answer {
  return hostPort('inet', dns.resolve, rest);
}

/** The same, but the answer of DNS stands forever. */
export function fixedInet(dns: Dns, rest: Path): Answer {
  return hostPort('fixedinet', dns.resolveOnce, rest);
}

/** `/<port>/<host>`, for names that end in the host. */
export function reversedInet(dns: Dns, rest: Path): Answer {
  const [port, host] = rest;
  if (host === undefined || !isPort(port)) return of(ok(neg));
  return bound('io.buoyant.rinet', rest, 2, dns.resolve, host, port);
}

function hostPort(kind: string, resolve: Resolve, rest: Path): Answer {
  const [first, second] = rest;
  if (second !== undefined && isPort(second)) return bound(kind, rest, 2, resolve, first, second);
  if (first !== undefined && isPort(first)) return bound(kind, rest, 1, resolve, '', first);
  const namer = `${showPath(['$', kind, ...rest])} (expected /$/${kind}/<host>/<port> or /$/${kind}/<port>)`;
  return of(failed(new LinkerdTcpError('NAMER_UNKNOWN', { namer })));
}

/** @param length how many labels of `rest` belong to the id; host none means this machine */
function bound(kind: string, rest: Path, length: number, resolve: Resolve, host: string, port: string): Answer {
  return of(
    ok(
      leaf<Name>({
        type: 'bound',
        bound: {
          id: ['$', kind, ...rest.slice(0, length)],
          residual: rest.slice(length),
          addr: addrOfHosts([{ host: textOf(host), port: Number(port), meta: {} }], resolve),
        },
      }),
    ),
  );
}

function isPort(label: string): boolean {
  return /^\d{1,5}$/.test(label) && Number(label) <= 65535;
}
