/** Reads the configuration of `linkerd-tcp`: schema, checks across keys, and the answer to files of other versions. */
import { resolve } from 'node:path';
import { load } from '../../config/load.ts';
import type { Purpose } from '../../config/report.ts';
import { folderOf } from '../../config/source.ts';
import { checkLinkerdTcp } from './checks.ts';
import { configSchema, type Kinds, type LinkerdTcpConfig } from './linkerd-tcp-config.ts';
import { answerOldFormat } from './version-0.0.ts';
import { vocabulary } from './vocabulary.ts';

export interface LinkerdTcpSource {
  readonly file: string;
  readonly text: string;
  readonly purpose?: Purpose;
}

/**
 * Relative paths are resolved: against the folder of the file, or the working directory for standard input.
 * @throws LinkerdTcpError CONFIG_INVALID
 */
export function loadLinkerdTcp({ file, text, purpose }: LinkerdTcpSource, kinds: Kinds): LinkerdTcpConfig {
  return load({
    program: 'linkerd-tcp',
    file,
    text,
    purpose,
    schema: configSchema(kinds),
    vocabulary,
    recognise: document => answerOldFormat(file, document),
    prepare: value => resolvePaths(value, folderOf(file)),
    check: checkLinkerdTcp,
  });
}

const identityKeys = [['certs', '[]'], ['privateKey'], ['passphraseFile'], ['ocspStaple']];
const trustKeys = [
  ['trustCerts', '[]'],
  ['crls', '[]'],
];
const clientTlsKeys = [...trustKeys, ...identityKeys.map(key => ['clientAuth', ...key])].map(key => ['tls', ...key]);

/** The keys that hold a path of a file or folder, and where they stand; `[]` is any entry of a list, `{}` any value of a mapping. */
const pathKeys = [
  ['namers', '[]', 'rootDir'],
  ['routers', '[]', 'interpreter', 'dtabFile'],
  ['routers', '[]', 'interpreter', 'tls', 'trustCerts', '[]'],
  ['routers', '[]', 'interpreter', 'tls', 'trustCertsBundle'],
  ['routers', '[]', 'interpreter', 'tls', 'clientAuth', 'certPath'],
  ['routers', '[]', 'interpreter', 'tls', 'clientAuth', 'keyPath'],
  ['routers', '[]', 'interpreter', 'tls', 'clientAuth', 'intermediateCertsPath'],
  ...trustKeys.map(key => ['routers', '[]', 'servers', '[]', 'tls', ...key]),
  ...identityKeys.map(key => ['routers', '[]', 'servers', '[]', 'tls', 'defaultIdentity', ...key]),
  ...identityKeys.map(key => ['routers', '[]', 'servers', '[]', 'tls', 'identities', '{}', ...key]),
  ...clientTlsKeys.map(key => ['routers', '[]', 'client', ...key]),
  ...clientTlsKeys.map(key => ['routers', '[]', 'client', 'configs', '[]', ...key]),
  ['accessLog', 'file'],
];

const resolvePaths = (value: unknown, folder: string): unknown =>
  pathKeys.reduce(
    (whole, place) => changeAt(whole, place, path => (path === '-' || path === '' ? path : resolve(folder, path))),
    value,
  );

/** `value` with the strings at `place` changed; whatever has another shape stays as it is. */
function changeAt(value: unknown, place: readonly string[], change: (text: string) => string): unknown {
  if (place.length === 0) return typeof value === 'string' ? change(value) : value;
  const [key, ...rest] = place;
  if (key === '[]') return Array.isArray(value) ? value.map(entry => changeAt(entry, rest, change)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (key === '{}')
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, changeAt(each, rest, change)]));
  if (!Object.hasOwn(value, key)) return value;
  return { ...value, [key]: changeAt((value as Record<string, unknown>)[key], rest, change) };
}
