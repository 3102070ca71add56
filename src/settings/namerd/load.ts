/** Reads the configuration of `namerd`: schema, and checks across keys. */
import { checkFiles, resolvePaths } from '../../config/file-fields.ts';
import { load } from '../../config/load.ts';
import type { Purpose } from '../../config/report.ts';
import { folderOf } from '../../config/source.ts';
import { checkNamerd } from './checks.ts';
import { type NamerdConfig, type NamerdKinds, namerdSchema } from './config.ts';
import { namerdVocabulary } from './vocabulary.ts';

export interface NamerdSource {
  readonly file: string;
  readonly text: string;
  readonly purpose?: Purpose;
  /** Receives warnings about a valid configuration, each with its place. */
  readonly warned?: (warning: string) => void;
}

/** The built-in configuration: everything on loopback, dtabs in the working directory. */
export const withoutConfig: NamerdSource = {
  file: '<built-in>',
  text: 'storage: {kind: io.l5d.sqlite, path: namerd.sqlite}\ninterfaces:\n- kind: io.l5d.httpController\n',
};

/**
 * Relative paths are resolved: against the directory of the file, or the working directory without one.
 * @throws LinkerdTcpError CONFIG_INVALID
 */
export function loadNamerd({ file, text, purpose, warned }: NamerdSource, kinds: NamerdKinds): NamerdConfig {
  const schema = namerdSchema(kinds);
  return load({
    program: 'namerd',
    file,
    text,
    purpose,
    warned,
    schema,
    vocabulary: namerdVocabulary,
    prepare: value => resolvePaths(schema, value, folderOf(file)),
    check: (value, complain, document) => {
      checkNamerd(value, complain, document, kinds.interfaces);
      checkFiles(schema, value, complain);
    },
  });
}
