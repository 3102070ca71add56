/** Checks beyond namerd's schema: prefixes and addresses that exclude each other, files of tokens. Accepts any shape. */
import type { ConfigDocument, ValuePath } from '../../config/document.ts';
import { type Problem, valueAt } from '../../config/problem.ts';
import { parsePath } from '../../dtab/parse.ts';
import { type Path, startsWith } from '../../dtab/path.ts';
import { showPath } from '../../dtab/show.ts';
import type { InterfaceKind } from '../../namerd/core/interface.ts';
import { checkInterfaceTls } from '../../tls/interface-tls.ts';
import { checkAddresses } from '../shared/address-clashes.ts';
import { entries, textAt } from '../shared/places.ts';
import { checkTokens } from './check-tokens.ts';
import { namerdAdminDefaults } from './config.ts';

export function checkNamerd(
  root: unknown,
  complain: (problem: Problem) => void,
  document: ConfigDocument,
  kinds: readonly InterfaceKind[],
): void {
  checkPrefixes(root, complain);
  const interfaces = entries(root, ['interfaces']).flatMap(path => {
    const kind = textAt(root, [...path, 'kind']);
    const { defaults, warning } = kinds.find(each => each.kind === kind) ?? {};
    if (warning !== undefined) complain({ path: [...path, 'kind'], message: warning, severity: 'warning' });
    return defaults === undefined ? [] : [{ path, defaults }];
  });
  checkAddresses(root, document, [{ path: ['admin'], defaults: namerdAdminDefaults }, ...interfaces], complain);
  for (const { path } of interfaces) {
    checkTokens(root, [...path, 'auth', 'tokens'], complain);
    checkInterfaceTls(valueAt(root, [...path, 'tls']), [...path, 'tls'], complain);
  }
}

/** A bound id must lead to one namer: of two prefixes none may begin with the other. */
function checkPrefixes(root: unknown, complain: (problem: Problem) => void): void {
  const known: Path[] = [];
  for (const place of entries(root, ['namers'])) {
    const prefix = prefixAt(root, place);
    if (prefix === undefined) continue;
    const other = known.find(each => startsWith(each, prefix) || startsWith(prefix, each));
    known.push(prefix);
    if (other === undefined) continue;
    const isWritten = textAt(root, [...place, 'prefix']) !== undefined;
    complain({
      path: isWritten ? [...place, 'prefix'] : place,
      message: `Namers must not have overlapping prefixes: ${showPath(other)} & ${showPath(prefix)}`,
    });
  }
}

/** Undefined if the schema reports a problem. */
function prefixAt(root: unknown, place: ValuePath): Path | undefined {
  const kind = textAt(root, [...place, 'kind']);
  const text = textAt(root, [...place, 'prefix']) ?? (kind === undefined ? undefined : `/${kind}`);
  try {
    return text === undefined ? undefined : parsePath(text);
  } catch {
    return undefined;
  }
}
