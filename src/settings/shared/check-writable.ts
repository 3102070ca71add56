/** Whether a file that is created or appended to can be: asked without touching it. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ValuePath } from '../../config/document.ts';
import type { Problem } from '../../config/problem.ts';
import { fileReason } from '../../errors.ts';

/** @param file absolute */
export function checkWritable(file: string, path: ValuePath, complain: (problem: Problem) => void): void {
  const reason = obstacle(file);
  if (reason !== undefined) complain({ path, message: `cannot write ${file}: ${reason}` });
}

function obstacle(file: string): string | undefined {
  try {
    if (statSync(file).isDirectory()) return 'it is a directory';
    accessSync(file, constants.W_OK);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return fileReason(error);
  }
  const directory = dirname(file);
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing ? `the directory ${directory} does not exist` : `${directory}: ${fileReason(error)}`;
  }
}
