/**
 * The configuration file: the nearest `.namerctl.*` from the working directory upwards, or the one that --config names.
 *
 * JSON and YAML are read whole. The other formats the original takes are read as far as our keys need: lines of
 * `base-url = "…"` and comments; anything else in them is refused with its place.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ConfigDocument } from '../config/document.ts';
import { describe } from '../config/problem.ts';
import { nearest } from '../config/suggest.ts';
import { fileReason, LinkerdTcpError } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/** In one folder the first that exists counts. */
const extensions = ['json', 'toml', 'yaml', 'yml', 'properties', 'props', 'prop', 'hcl'] as const;
const documents = ['json', 'yaml', 'yml'];

/** The only one of the original is `base-url`. */
export const settingKeys = ['base-url', 'token-file', 'tls-ca', 'tls-cert', 'tls-key'] as const;
export type SettingKey = (typeof settingKeys)[number];

type Values = Readonly<Partial<Record<SettingKey, string>>>;

export interface ConfigFile {
  readonly file: string;
  readonly values: Values;
}

/** What `explicit` says, else the nearest file; undefined where there is none. */
export function readConfigFile(terminal: Terminal, explicit?: string): ConfigFile | undefined {
  const file = explicit === undefined ? nearestFile(terminal) : resolve(terminal.folder, explicit);
  return file === undefined ? undefined : { file, values: valuesIn(file, read(file)) };
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

function valuesIn(file: string, text: string): Values {
  const extension = /\.([^./]+)$/.exec(file)?.[1].toLowerCase() ?? '';
  const isLines = (extensions as readonly string[]).includes(extension) && !documents.includes(extension);
  return isLines ? fromLines(file, text, extension) : fromDocument(file, text);
}

function fromDocument(file: string, text: string): Values {
  const document = new ConfigDocument(text);
  const [problem] = document.syntaxProblems;
  if (problem) return wrong(file, problem.at, problem.message);
  const { value } = document;
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    return wrong(file, document.valuePosition([]), `expected a mapping, found ${describe(value)}`);
  const values: Partial<Record<SettingKey, string>> = {};
  for (const [word, found] of Object.entries(value)) {
    const key = keyOf(word);
    if (key === undefined) return wrong(file, document.keyPosition([word]), unknownKey(word));
    if (typeof found !== 'string') {
      const expected = key === 'base-url' ? 'a URL' : 'the name of a file';
      return wrong(file, document.valuePosition([word]), `${word}: expected ${expected}, found ${describe(found)}`);
    }
    values[key] = found;
  }
  return values;
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

const keyOf = (word: string): SettingKey | undefined => settingKeys.find(key => key === word.toLowerCase());

function unknownKey(word: string): string {
  if (word.toLowerCase() === 'token')
    return `${word}: a token is not kept in the configuration; name a file that has it with token-file`;
  const meant = nearest(word, settingKeys);
  return `${word}: unknown key; ${meant === undefined ? `there are ${settingKeys.join(', ')}` : `did you mean ${meant}?`}`;
}

function wrong(file: string, at: { readonly line: number; readonly column: number }, problem: string): never {
  throw new LinkerdTcpError('CONFIG_INVALID', { report: `${file}:${at.line}:${at.column}: ${problem}` });
}
