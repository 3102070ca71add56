/**
 * A dtab from a file or standard input: text, or JSON where the first character is `{` or `[`. Checked here, so that a mistake
 * is reported with its place in the file and nothing is sent.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ConfigDocument, type Position, type ValuePath } from '../config/document.ts';
import { describe } from '../config/problem.ts';
import { DtabSyntaxError, parsePrefix, parseTree } from '../dtab/parse.ts';
import { fileReason, LinkerdTcpError, reasonOf } from '../errors.ts';
import { type DtabBody, jsonBody } from './namerd-api.ts';
import { type ShownDentry, type ShownDtab, shownDtab } from './stored-dtab.ts';
import type { Terminal } from './terminal.ts';

export interface DtabInput {
  /** As shown in messages. */
  readonly file: string;
  /** As it was read. */
  readonly text: string;
  readonly dtab: ShownDtab;
  readonly body: DtabBody;
  /** The `version` of a JSON object. */
  readonly version?: string;
  /** The version of a `# version` line, which counts only with --if-unchanged. */
  readonly noted?: string;
}

/** @param path `-` for standard input */
export async function readInput(path: string, terminal: Terminal): Promise<DtabInput> {
  const file = path === '-' ? '<stdin>' : path;
  return parseInput(file, await readText(path, terminal));
}

async function readText(path: string, { stdin, folder }: Terminal): Promise<string> {
  if (path === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: 'the name of the dtab file is empty' });
  const bytes = path === '-' ? await buffer(stdin) : readBytes(path, folder);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const details = { file: path === '-' ? '<stdin>' : path, reason: 'it is not UTF-8 text' };
    throw new LinkerdTcpError('INPUT_UNREADABLE', details, { cause: error });
  }
}

function readBytes(path: string, folder: string): Buffer {
  try {
    return readFileSync(resolve(folder, path));
  } catch (error) {
    throw new LinkerdTcpError('INPUT_UNREADABLE', { file: path, reason: fileReason(error) }, { cause: error });
  }
}

/** @throws LinkerdTcpError INPUT_INVALID */
export function parseInput(file: string, text: string): DtabInput {
  return /^\s*[{[]/.test(text) ? parseJson(file, text) : parseText(file, text);
}

function parseText(file: string, text: string): DtabInput {
  try {
    return {
      file,
      text,
      dtab: shownDtab(text),
      body: { type: 'application/dtab', text },
      noted: /^# version (\S+)$/m.exec(text)?.[1],
    };
  } catch (error) {
    if (error instanceof DtabSyntaxError) return invalid(file, error, `${error.brief}\n${excerpt(text, error)}`);
    throw error;
  }
}

/** The line in question, and a mark below the place. */
export function excerpt(text: string, { line, column }: Position): string {
  const source = (text.split('\n')[line - 1] ?? '').replace(/\r$/, '');
  const lead = source.slice(0, column - 1).replace(/[^\t]/g, ' ');
  return `${`  ${source}`.trimEnd()}\n  ${lead}^`;
}

function parseJson(file: string, text: string): DtabInput {
  const document = new ConfigDocument(text);
  const value = parsedJson(file, text, document);
  const isObject = !Array.isArray(value);
  const { version, dtab: entries } = isObject ? (value as Record<string, unknown>) : { version: '', dtab: value };
  const root: ValuePath = isObject ? ['dtab'] : [];
  if (version !== undefined && version !== null && typeof version !== 'string')
    return invalid(file, document.valuePosition(['version']), `version: expected a string, found ${describe(version)}`);
  if (!Array.isArray(entries))
    return invalid(file, document.valuePosition(root), `expected "dtab", a list, found ${describe(entries)}`);
  const dtab = entries.map((entry, i) => dentryAt(file, document, [...root, i], entry));
  return { file, text, dtab, body: jsonBody(dtab), version: version || undefined };
}

function parsedJson(file: string, text: string, document: ConfigDocument): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [problem] = document.syntaxProblems;
    const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(reasonOf(error)) ?? [];
    const at = line ? { line: Number(line), column: Number(column) } : (problem?.at ?? endOf(text));
    return invalid(file, at, `not JSON: ${reasonOf(error).replace(/ in JSON at position.*$/s, '')}`);
  }
}

function endOf(text: string): Position {
  const lines = text.split('\n');
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}

function dentryAt(file: string, document: ConfigDocument, path: ValuePath, entry: unknown): ShownDentry {
  const side = (key: 'prefix' | 'dst', check: (text: string) => unknown): string => {
    const found = Object(entry)[key];
    if (typeof found !== 'string')
      return invalid(
        file,
        document.valuePosition([...path, key]),
        `expected "${key}", a string, found ${describe(found)}`,
      );
    try {
      check(found);
      return found;
    } catch (error) {
      if (!(error instanceof DtabSyntaxError)) throw error;
      const at = document.insidePosition([...path, key], error.offset);
      return invalid(file, at, `${key}: ${error.brief}\n${excerpt(document.text, at)}`);
    }
  };
  return { prefix: side('prefix', parsePrefix), dst: side('dst', parseTree) };
}

function invalid(file: string, { line, column }: Position, reason: string): never {
  throw new LinkerdTcpError('INPUT_INVALID', { file, line, column, reason });
}
