/** Where a configuration comes from: a file, or standard input for `-`. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileReason, LinkerdTcpError } from '../errors.ts';

export interface ConfigSource {
  /** As shown in messages. */
  readonly file: string;
  readonly text: string;
}

export async function readSource(path: string, stdin: NodeJS.ReadableStream = process.stdin): Promise<ConfigSource> {
  if (path === '-') return { file: '<stdin>', text: await readAll(stdin) };
  try {
    return { file: path, text: await readFile(path, 'utf8') };
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file: path, reason: fileReason(error) }, { cause: error });
  }
}

/** The directory that relative paths in a configuration start from: the file's own, or the working directory for `<stdin>`. */
export function folderOf(file: string): string {
  return file === '<stdin>' ? process.cwd() : dirname(resolve(file));
}
