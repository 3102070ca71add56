/** Reads the configuration of `linkerd-tcp`: schema, checks across keys, and the answer to files of other versions. */
import { checkFiles, resolvePaths } from '../../config/file-fields.ts';
import { renameKeys } from '../../config/former-keys.ts';
import { load } from '../../config/load.ts';
import type { Problem } from '../../config/problem.ts';
import type { Purpose } from '../../config/report.ts';
import { folderOf } from '../../config/source.ts';
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
 * Relative paths are resolved: against the directory of the file, or the working directory for standard input.
 * @throws LinkerdTcpError CONFIG_INVALID
 */
export function loadLinkerdTcp({ file, text, purpose, warned }: LinkerdTcpSource, kinds: Kinds): LinkerdTcpConfig {
  const schema = configSchema(kinds);
  const renamed: Problem[] = [];
  return load({
    program: 'linkerd-tcp',
    file,
    text,
    purpose,
    warned,
    schema,
    vocabulary,
    recognise: document => answerOldFormat(file, document),
    prepare: value => {
      const named = renameKeys(schema, value, problem => renamed.push(problem));
      return resolvePaths(schema, named, folderOf(file));
    },
    check: (value, complain, document) => {
      checkLinkerdTcp(value, complain, document);
      checkFiles(schema, value, complain);
      for (const problem of renamed) complain(problem);
    },
  });
}
