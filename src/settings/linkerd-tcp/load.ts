/** Reads the configuration of `linkerd-tcp`: schema, checks across keys, and the answer to files of other versions. */
import { load } from '../../config/load.ts';
import type { Purpose } from '../../config/report.ts';
import { folderOf } from '../../config/source.ts';
import { resolvePaths } from '../shared/relative-paths.ts';
import { checkLinkerdTcp } from './checks.ts';
import { configSchema, type Kinds, type LinkerdTcpConfig } from './config.ts';
import { answerOldFormat } from './version-0.0.ts';
import { vocabulary } from './vocabulary.ts';

export interface LinkerdTcpSource {
  readonly file: string;
  readonly text: string;
  readonly purpose?: Purpose;
  /** Told of everything questionable in a configuration that can be used, with its place. */
  readonly warned?: (warning: string) => void;
}

/**
 * Relative paths are resolved: against the folder of the file, or the working directory for standard input.
 * @throws LinkerdTcpError CONFIG_INVALID
 */
export function loadLinkerdTcp({ file, text, purpose, warned }: LinkerdTcpSource, kinds: Kinds): LinkerdTcpConfig {
  return load({
    program: 'linkerd-tcp',
    file,
    text,
    purpose,
    warned,
    schema: configSchema(kinds),
    vocabulary,
    recognise: document => answerOldFormat(file, document),
    prepare: value => resolvePaths(value, folderOf(file), pathKeys),
    check: checkLinkerdTcp,
  });
}

const identityKeys = [['certs', '[]'], ['privateKey'], ['passphraseFile'], ['ocspStaple']];
const trustKeys = [
  ['trustCerts', '[]'],
  ['crls', '[]'],
];
const clientTlsKeys = [...trustKeys, ...identityKeys.map(key => ['clientAuth', ...key])].map(key => ['tls', ...key]);

/** The keys that hold a path of a file or folder. */
const pathKeys = [
  ['namers', '[]', 'rootDir'],
  ['routers', '[]', 'interpreter', 'dtabFile'],
  ['routers', '[]', 'interpreter', 'tokenFile'],
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
