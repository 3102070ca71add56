/**
 * Problems of routes that a configuration shows without any lookup: names that no rule covers, namers that are not
 * declared, ports that do not exist, and rules that lead a connection back to the proxy that accepted it.
 *
 * Only routers whose dtab is in the configuration or in a file beside it are judged: namerd may know rules and namers of its own.
 * All are warnings, because the rest of the configuration works, except for the last: such a connection opens the next one, until
 * descriptors run out.
 */
import { readFileSync } from 'node:fs';
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { type Problem, valueAt } from '../../config/problem.ts';
import { concat, type Dtab, matching } from '../../dtab/dtab.ts';
import { leavesOf } from '../../dtab/name-tree.ts';
import { parseDtab, parsePath } from '../../dtab/parse.ts';
import type { Path } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import { dtabWarnings } from '../../namerd/core/dtab-warnings.ts';
import { entries, reference, textAt } from '../shared/places.ts';
import { adminDefaults } from './config.ts';
import { inetOf, type Listener, loopBack } from './loop-back.ts';

type Complain = (problem: Problem) => void;

export function checkRoutes(root: unknown, complain: Complain, document: ConfigDocument): void {
  const warn = (path: ValuePath, message: string) => complain({ path, message, severity: 'warning' });
  const routers = entries(root, ['routers']);
  if (Array.isArray(valueAt(root, ['routers'])) && routers.length === 0)
    warn(['routers'], 'no routers: nothing is proxied');
  const listeners = routers
    .flatMap(router => entries(root, [...router, 'servers']))
    .flatMap(at => listenerAt(root, at));
  const namers = entries(root, ['namers']).flatMap(at => prefixOf(root, at));
  for (const router of routers) {
    const rules = rulesOf(root, router);
    if (rules === undefined) continue;
    for (const { kind, message } of dtabWarnings(rules.dtab, namers))
      if (kind !== 'shadowed') warn(rules.place, message);
    for (const port of badPorts(rules.dtab)) warn(rules.place, port);
    for (const server of entries(root, [...router, 'servers'])) {
      const place = [...server, 'dstName'];
      const name = nameAt(root, place);
      if (name === undefined) continue;
      if (!isConcrete(name) && matching(rules.dtab, name).length === 0)
        warn(place, `no rule of the dtab covers ${showPath(name)}: connections to it are refused`);
      const back = loopBack(rules.dtab, name, listeners);
      if (back !== undefined)
        complain({
          path: place,
          message: `${showPath(back.path)} is where ${reference(document, back.listener.at)} listens: connections would lead back to this proxy forever`,
        });
    }
  }
}

interface Rules {
  readonly dtab: Dtab;
  /** The key that warnings about the dtab point to. */
  readonly place: ValuePath;
}

/** Undefined where rules come from namerd, or cannot be read: other checks report that. */
function rulesOf(root: unknown, router: ValuePath): Rules | undefined {
  const kind = textAt(root, [...router, 'interpreter', 'kind']) ?? 'default';
  const own = textAt(root, [...router, 'dtab']);
  try {
    const dtab = parseDtab(own ?? '');
    const place = own === undefined ? router : [...router, 'dtab'];
    if (kind === 'default') return { dtab, place };
    if (kind !== 'io.l5d.fs') return undefined;
    const file = [...router, 'interpreter', 'dtabFile'];
    return { dtab: concat(parseDtab(readFileSync(textAt(root, file) ?? '', 'utf8')), dtab), place: file };
  } catch {
    return undefined;
  }
}

function listenerAt(root: unknown, at: ValuePath): Listener[] {
  const port = valueAt(root, [...at, 'port']);
  const ip = valueAt(root, [...at, 'ip']) ?? adminDefaults.ip;
  return typeof port === 'number' && port > 0 && typeof ip === 'string' ? [{ at, ip, port }] : [];
}

function prefixOf(root: unknown, at: ValuePath): Path[] {
  const text = textAt(root, [...at, 'prefix']) ?? `/${textAt(root, [...at, 'kind'])}`;
  try {
    return [['#', ...parsePath(text)]];
  } catch {
    return [];
  }
}

/** Undefined for templates, whose names are not known yet. */
function nameAt(root: unknown, place: ValuePath): Path | undefined {
  const text = textAt(root, place);
  if (text === undefined || text.includes('{')) return undefined;
  try {
    return parsePath(text);
  } catch {
    return undefined;
  }
}

/** Whether a name is looked up as it is, without rules. */
const isConcrete = ([first]: Path): boolean => first === '#' || first === '$';

function badPorts(dtab: Dtab): readonly string[] {
  return dtab.flatMap(({ dst }) =>
    leavesOf(dst).flatMap(path => {
      const port = inetOf(path)?.port;
      // A wildcard's port is known only with the name.
      if (port === undefined || !/^\d+$/.test(port) || (Number(port) > 0 && Number(port) < 65_536)) return [];
      return [`${showPath(path)}: ports are from 1 to 65535`];
    }),
  );
}
