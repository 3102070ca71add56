/** The side of the thread that has the file open: one request at a time, in their order, each answered by its id. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { type ErrorCode, LinkerdTcpError, reasonOf } from '../../errors.ts';
import type { CurrentRow, SqliteFile, SqliteFileOptions } from './file.ts';

export type FileMethod = 'write' | 'page' | 'version' | 'close';

export interface FileRequest {
  readonly id: number;
  readonly method: FileMethod;
  readonly args: readonly unknown[];
}

export interface FailureMessage {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number>>;
}

export type FileAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: FailureMessage };

export type OpenedMessage =
  | { readonly current: readonly CurrentRow[]; readonly wasEmpty: boolean }
  | { readonly failure: FailureMessage };

export interface ThreadData {
  readonly options: SqliteFileOptions;
  readonly port: MessagePort;
  /** Becomes 1 once the first message is in the port. */
  readonly opened: Int32Array;
}

export function serveFile(open: (options: SqliteFileOptions) => SqliteFile): void {
  const { options, port, opened } = workerData as ThreadData;
  let file: SqliteFile | undefined;
  try {
    file = open(options);
    port.postMessage({ current: file.current, wasEmpty: file.wasEmpty } satisfies OpenedMessage);
  } catch (error) {
    port.postMessage({ failure: failureOf(error, options.store) } satisfies OpenedMessage);
  }
  Atomics.store(opened, 0, 1);
  Atomics.notify(opened, 0);
  if (file === undefined) return port.close();
  port.on('message', ({ id, method, args }: FileRequest) => {
    port.postMessage(answer(file, options.store, { id, method, args }));
  });
}

function answer(file: SqliteFile, store: string, { id, method, args }: FileRequest): FileAnswer {
  try {
    return { id, result: (file[method] as (...args: readonly unknown[]) => unknown)(...args) };
  } catch (error) {
    return { id, failure: failureOf(error, store) };
  }
}

/** Errors lose their class between threads. */
function failureOf(error: unknown, store: string): FailureMessage {
  if (error instanceof LinkerdTcpError) return { code: error.code, details: error.details };
  const details = { store, action: 'use its file', reason: reasonOf(error), hint: 'report this as a bug' };
  return { code: 'STORE_UNAVAILABLE', details };
}
