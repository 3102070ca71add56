/**
 * Checks beyond the schema: keys that contradict each other. Works on the plain value, so that these problems stand in the
 * same report as those of the schema; whatever has the wrong shape is passed over, the schema complains about it.
 */
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { type Problem, valueAt } from '../../config/problem.ts';
import { checkTlsFiles } from '../../tls/check-files.ts';
import { checkServerTls } from '../../tls/server-tls.ts';
import { checkAddresses } from '../shared/address-clashes.ts';
import { checkWritable } from '../shared/check-writable.ts';
import { entries, reference, textAt } from '../shared/places.ts';
import { checkClientTls } from './check-client-tls.ts';
import { checkRoutes } from './check-routes.ts';
import { adminDefaults } from './config.ts';
import { checkSni } from './sni-config.ts';

type Complain = (problem: Problem) => void;

export function checkLinkerdTcp(root: unknown, complain: Complain, document: ConfigDocument): void {
  const routers = entries(root, ['routers']);
  const servers = routers.flatMap(router => entries(root, [...router, 'servers']));
  const clients = routers.map(router => [...router, 'client']);
  const connectors = clients.flatMap(client => [client, ...entries(root, [...client, 'configs'])]);

  const unique = (places: ValuePath[], what: string, nameOf: (place: ValuePath) => string | undefined) =>
    repeated(document, places, what, nameOf, complain);
  unique(
    routers.map(router => [...router, 'label']),
    'label',
    place => textAt(root, place),
  );
  unique(entries(root, ['namers']), 'prefix', place => {
    const kind = textAt(root, [...place, 'kind']);
    return textAt(root, [...place, 'prefix']) ?? (kind === undefined ? undefined : `/${kind}`);
  });
  const { ip } = adminDefaults;
  const listeners = servers.map(path => ({ path, defaults: { ip } }));
  checkAddresses(root, document, [{ path: ['admin'], defaults: adminDefaults }, ...listeners], complain);
  for (const server of servers) {
    checkSession(root, server, complain);
    checkSni(root, server, complain);
    checkServerTls(root, server, complain);
  }
  for (const router of routers) checkClientTls(root, router, complain);
  checkTlsFiles(root, { servers, connectors }, complain);
  checkRoutes(root, complain, document);
  const log = textAt(root, ['accessLog', 'file']);
  if (log !== undefined && log !== '' && log !== '-') checkWritable(log, ['accessLog', 'file'], complain);
  for (const connector of connectors) {
    ordered(root, [...connector, 'failFast'], 'failurePenaltySecs', 'maxPenaltySecs', complain);
    ordered(root, [...connector, 'retryBackoffMs'], 'min', 'max', complain);
  }
}

function repeated(
  document: ConfigDocument,
  places: readonly ValuePath[],
  what: string,
  nameOf: (place: ValuePath) => string | undefined,
  complain: Complain,
): void {
  const first = new Map<string, ValuePath>();
  for (const path of places) {
    const name = nameOf(path);
    if (name === undefined) continue;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, path);
    else complain({ path, message: `the ${what} ${name} is taken by ${reference(document, earlier)}` });
  }
}

function checkSession(root: unknown, server: ValuePath, complain: Complain): void {
  for (const [ours, theirs] of [
    ['idleTimeoutMs', 'idleTimeMs'],
    ['connectionLifetimeSecs', 'lifeTimeMs'],
  ]) {
    const path = [...server, 'serverSession', theirs];
    if (valueAt(root, [...server, ours]) !== undefined && valueAt(root, path) !== undefined)
      complain({ path, onKey: true, message: `the same as ${ours}, which is given, too; keep one of them` });
  }
}

function ordered(root: unknown, place: ValuePath, low: string, high: string, complain: Complain): void {
  const least = valueAt(root, [...place, low]);
  const most = valueAt(root, [...place, high]);
  if (typeof least === 'number' && typeof most === 'number' && most < least)
    complain({ path: [...place, high], message: `expected at least ${low}, which is ${least}, found ${most}` });
}
