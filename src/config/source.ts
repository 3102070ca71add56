/** Where a configuration comes from: a file, or standard input for `-`. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileReason, LinkerdTcpError } from '../errors.ts';

export interface ConfigSource {
  /** As shown in messages. */
  readonly file: string;
  readonly text: string;
}

/** Far more than any configuration needs. */
const maxBytes = 16 * 1024 * 1024;

export async function readSource(path: string, stdin: NodeJS.ReadableStream = process.stdin): Promise<ConfigSource> {
  const file = path === '-' ? '<stdin>' : path;
  try {
    return { file, text: await readText(path === '-' ? stdin : createReadStream(path)) };
  } catch (error) {
    throw new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason: fileReason(error) }, { cause: error });
  }
}

/** A device or a pipe may never end. */
async function readText(source: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk as Buffer);
    length += bytes.length;
    if (length > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return decoded(Buffer.concat(chunks));
}

function decoded(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Error('it is not UTF-8 text');
  const text = bytes.toString('utf8');
  const nul = text.indexOf('\0');
  if (nul >= 0)
    throw new Error(`it is not text: it has a NUL character in line ${text.slice(0, nul).split('\n').length}`);
  return text.replace(/^\ufeff/, '');
}

/** The directory that relative paths in a configuration start from: the file's own, or the working directory for `<stdin>`. */
export function folderOf(file: string): string {
  return file === '<stdin>' ? process.cwd() : dirname(resolve(file));
}
