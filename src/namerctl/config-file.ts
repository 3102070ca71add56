/**
 * The configuration file: the nearest `.namerctl.*` from the working directory upwards, or the one that --config names.
 *
 * JSON and YAML are read whole. The other formats the original takes are read as far as its one key needs: lines of
 * `base-url = "…"` and comments; anything else in them is refused with its place.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { ConfigDocument } from '../config/document.ts';
import { describe } from '../config/problem.ts';
import { nearest } from '../config/suggest.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/** In one folder the first that exists counts. */
const extensions = ['json', 'toml', 'yaml', 'yml', 'properties', 'props', 'prop', 'hcl'] as const;
const documents = ['json', 'yaml', 'yml'];
const baseUrlKey = 'base-url';

export interface FileSetting {
  readonly file: string;
  readonly baseUrl: string;
}

/** What `explicit` says, else the nearest file; undefined where there is none or it sets nothing. */
export function readConfigFile(terminal: Terminal, explicit?: string): FileSetting | undefined {
  const file = explicit === undefined ? nearestFile(terminal) : resolve(terminal.folder, explicit);
  if (file === undefined) return undefined;
  const baseUrl = baseUrlIn(file, read(file));
  return baseUrl === undefined ? undefined : { file, baseUrl };
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
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : reasonOf(error);
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason }, { cause: error });
  }
}

function baseUrlIn(file: string, text: string): string | undefined {
  const extension = /\.([^./]+)$/.exec(file)?.[1].toLowerCase() ?? '';
  const isLines = (extensions as readonly string[]).includes(extension) && !documents.includes(extension);
  return isLines ? fromLines(file, text, extension) : fromDocument(file, text);
}

function fromDocument(file: string, text: string): string | undefined {
  const document = new ConfigDocument(text);
  const [problem] = document.syntaxProblems;
  if (problem) return wrong(file, problem.at, problem.message);
  const { value } = document;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value))
    return wrong(file, document.valuePosition([]), `expected a mapping, found ${describe(value)}`);
  let baseUrl: string | undefined;
  for (const [key, found] of Object.entries(value)) {
    if (key.toLowerCase() !== baseUrlKey) wrong(file, document.keyPosition([key]), unknownKey(key));
    if (typeof found !== 'string')
      return wrong(file, document.valuePosition([key]), `${key}: expected a URL, found ${describe(found)}`);
    baseUrl = found;
  }
  return baseUrl;
}

function fromLines(file: string, text: string, extension: string): string | undefined {
  const isProperties = /^prop/.test(extension);
  const assignment = isProperties
    ? /^\s*([^\s=:]+)\s*[=:]?\s*(.*?)\s*$/
    : /^\s*"?([\w-]+)"?\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(?:(?:#|\/\/).*)?$/;
  const comment = isProperties ? /^\s*([#!].*)?$/ : /^\s*((#|\/\/).*)?$/;
  let baseUrl: string | undefined;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (comment.test(line)) continue;
    const at = { line: i + 1, column: line.search(/\S/) + 1 };
    const [, key, ...values] = assignment.exec(line) ?? [];
    if (key === undefined) return wrong(file, at, `expected base-url = "URL": no more is read of .${extension} files`);
    if (key.toLowerCase() !== baseUrlKey) return wrong(file, at, unknownKey(key));
    baseUrl = values.find(value => value !== undefined);
  }
  return baseUrl;
}

const unknownKey = (key: string): string =>
  `${key}: unknown key; ${nearest(key, [baseUrlKey]) ? 'did you mean' : 'the only one is'} ${baseUrlKey}${nearest(key, [baseUrlKey]) ? '?' : ''}`;

function wrong(file: string, at: { readonly line: number; readonly column: number }, problem: string): never {
  throw new LinkerdTcpError('CONFIG_INVALID', { report: `${file}:${at.line}:${at.column}: ${problem}` });
}
