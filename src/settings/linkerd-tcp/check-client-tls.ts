/** Of `client.tls`: what only shows where entries are laid over each other, for the destinations that are known by their names. */
import type { ValuePath } from '../../config/document.ts';
import { type Problem, pathText, valueAt } from '../../config/problem.ts';
import { parsePath } from '../../dtab/parse.ts';
import { showPath } from '../../dtab/show.ts';
import { variablesOf } from '../../tls/client-tls.ts';
import { checkVersions } from '../../tls/tls-fields.ts';
import { type ClientConfig, clientConfig, clientFor, entriesFor } from './client-config.ts';
import { parsePrefixPattern } from './prefix-pattern.ts';

type Complain = (problem: Problem) => void;

export function checkClientTls(root: unknown, router: ValuePath, report: Complain): void {
  /** Places that have been complained about. */
  const told = new Set<string>();
  const complain: Complain = problem => {
    told.add(pathText(problem.path));
    report(problem);
  };
  const path = [...router, 'client'];
  const entries = valueAt(root, [...path, 'configs']);
  const places = Array.isArray(entries) ? entries.map((_, i) => [...path, 'configs', i]) : [path];
  for (const place of places) {
    checkVersions(root, [...place, 'tls'], complain);
    checkVariables(root, place, complain);
  }
  const client = clientConfig.safeParse(valueAt(root, path) ?? {});
  // The schema complains about the others.
  if (!client.success) return;
  const known = client.data.kind === 'io.l5d.global' ? [[]] : destinations(root, router);
  for (const dst of known) {
    const { tls } = clientFor(client.data, dst);
    if (tls === undefined || tls.ok) continue;
    const place = [...placeOf(path, client.data, dst, tls.layer), 'tls'];
    if ([place, [...place, 'dnsName'], [...place, 'maxVersion']].some(each => told.has(pathText(each)))) continue;
    const which = client.data.kind === 'io.l5d.global' ? '' : `for ${showPath(dst)}, `;
    complain({ path: place, onKey: true, message: `${which}${tls.reason}` });
  }
}

/** Those whose names need no client to be known. */
function destinations(root: unknown, router: ValuePath) {
  const servers = valueAt(root, [...router, 'servers']);
  const names = (Array.isArray(servers) ? servers : []).flatMap((server: unknown) => [
    valueAt(server, ['dstName']),
    valueAt(server, ['sni', 'default']),
  ]);
  return names.flatMap(name => {
    try {
      return typeof name === 'string' && !name.includes('{') ? [parsePath(name)] : [];
    } catch {
      return [];
    }
  });
}

function placeOf(
  path: ValuePath,
  client: ClientConfig,
  dst: Parameters<typeof entriesFor>[1],
  layer: number,
): ValuePath {
  return client.kind === 'io.l5d.global' ? path : [...path, 'configs', entriesFor(client, dst)[layer]];
}

function checkVariables(root: unknown, place: ValuePath, complain: Complain): void {
  const path = [...place, 'tls', 'dnsName'];
  const dnsName = valueAt(root, path);
  if (typeof dnsName !== 'string') return;
  const prefix = valueAt(root, [...place, 'prefix']);
  const captured = capturedBy(prefix);
  for (const { name, offset } of variablesOf(dnsName)) {
    if (captured?.includes(name) ?? true) continue;
    const message =
      prefix === undefined
        ? `{${name}} is captured by nothing: variables need kind: io.l5d.static, and an entry with a prefix like /svc/{${name}}`
        : `{${name}} is not captured by the prefix of this entry, ${prefix}${captured?.length ? `, which captures ${captured.map(each => `{${each}}`).join(' and ')}` : ''}`;
    complain({ path, offset, message });
  }
}

/** Undefined: it is no prefix, and the schema says so. */
function capturedBy(prefix: unknown): readonly string[] | undefined {
  if (prefix === undefined) return [];
  try {
    return parsePrefixPattern(String(prefix)).variables;
  } catch {
    return undefined;
  }
}
