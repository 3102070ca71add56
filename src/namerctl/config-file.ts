/**
 * The configuration file: the nearest `.namerctl.*` from the working directory upwards, or the one that --config names.
 *
 * JSON and YAML are read whole. The other formats the original takes are read only as far as these keys need: lines of
 * `base-url = "…"` and comments; anything else in them is refused with its place.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileReason, LinkerdTcpError } from '../errors.ts';
import { keyOf, type SettingKey, unknownKey, type Values, wrong } from './setting-keys.ts';
import type { Terminal } from './terminal.ts';

/** Within one directory, the first that exists counts. */
const extensions = ['json', 'toml', 'yaml', 'yml', 'properties', 'props', 'prop', 'hcl'] as const;
const documents = ['json', 'yaml', 'yml'];

export interface ConfigFile {
  readonly file: string;
  readonly values: Values;
}

/** The file `explicit`, else the nearest one; undefined if none exists. */
export async function readConfigFile(terminal: Terminal, explicit?: string): Promise<ConfigFile | undefined> {
  const file = explicit === undefined ? nearestFile(terminal) : resolve(terminal.folder, explicit);
  return file === undefined ? undefined : { file, values: await valuesIn(file, read(file)) };
}

function nearestFile(terminal: Terminal): string | undefined {
  for (let folder = logicalFolder(terminal); ; folder = dirname(folder)) {
    const file = extensions.map(extension => join(folder, `.namerctl.${extension}`)).find(existsSync);
    if (file !== undefined || folder === dirname(folder)) return file;
  }
}

/** $PWD, which keeps symbolic links, as long as it is the working directory; a program that changed it need not set $PWD. */
function logicalFolder({ env, folder }: Terminal): string {
  const logical = env['PWD'];
  if (logical === undefined || !isAbsolute(logical)) return folder;
  const [there, here] = [logical, folder].map(path => statSync(path, { throwIfNoEntry: false }));
  return there !== undefined && there.ino === here?.ino && there.dev === here.dev ? logical : folder;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = fileReason(error);
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason }, { cause: error });
  }
}

async function valuesIn(file: string, text: string): Promise<Values> {
  const extension = /\.([^./]+)$/.exec(file)?.[1].toLowerCase() ?? '';
  const isLines = (extensions as readonly string[]).includes(extension) && !documents.includes(extension);
  if (isLines) return fromLines(file, text, extension);
  // Loaded only now: most runs have no such file, and a YAML parser takes as long to load as all the rest.
  const { fromDocument } = await import('./config-document.ts');
  return fromDocument(file, text);
}

function fromLines(file: string, text: string, extension: string): Values {
  const isProperties = /^prop/.test(extension);
  const assignment = isProperties
    ? /^\s*([^\s=:]+)\s*[=:]?\s*(.*?)\s*$/
    : /^\s*"?([\w-]+)"?\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(?:(?:#|\/\/).*)?$/;
  const comment = isProperties ? /^\s*([#!].*)?$/ : /^\s*((#|\/\/).*)?$/;
  const values: Partial<Record<SettingKey, string>> = {};
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (comment.test(line)) continue;
    const at = { line: i + 1, column: line.search(/\S/) + 1 };
    const [, word, ...said] = assignment.exec(line) ?? [];
    if (word === undefined) return wrong(file, at, `expected base-url = "URL": no more is read of .${extension} files`);
    const key = keyOf(word);
    if (key === undefined) return wrong(file, at, unknownKey(word));
    values[key] = said.find(value => value !== undefined);
  }
  return values;
}
