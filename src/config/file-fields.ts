/**
 * Paths of files in a configuration: one type of field for all of them.
 *
 * A relative path starts from the directory of the configuration file. Files that the program cannot start without are checked
 * with the configuration, so that `--check` finds what a start would refuse. Fields are known by their schemas: a kind that
 * declares its paths with {@link filePath} or {@link dirPath} needs nothing else.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { fileReason } from '../errors.ts';
import type { ValuePath } from './document.ts';
import { nonEmpty } from './fields.ts';
import { type Problem, valueAt } from './problem.ts';
import { fieldsOf, mapFields, type Schema } from './schema-walk.ts';

/**
 * - `needed`: it must be readable when the program starts.
 * - `content`: the same, but what is in it is checked where it is used, which reports a missing file as well.
 * - `optional`: it may appear later.
 * - `output`: the program creates it; `-` is standard output.
 */
type Use = 'needed' | 'content' | 'optional' | 'output';

export interface FileField {
  readonly type: 'file' | 'directory';
  readonly use: Use;
}

/** Of the innermost schema: a wrapper such as `optional` hides it no more than it hides the value. */
export const fileFields = z.registry<FileField>();

export const filePath = (use: Use = 'needed', what = 'the path of a file') =>
  nonEmpty(what).register(fileFields, { type: 'file', use });

export const dirPath = (use: Use = 'needed', what = 'the path of a directory') =>
  nonEmpty(what).register(fileFields, { type: 'directory', use });

/** `value` with its paths made absolute. */
export const resolvePaths = (schema: Schema, value: unknown, dir: string): unknown =>
  mapFields(schema, value, field => {
    const file = fileFields.get(field.schema as z.ZodType);
    if (file === undefined || typeof field.value !== 'string' || field.value === '') return field.value;
    return file.use === 'output' && field.value === '-' ? field.value : resolve(dir, field.value);
  });

/** Complains about what is needed and cannot be read. @param value with absolute paths */
export function checkFiles(schema: Schema, value: unknown, complain: (problem: Problem) => void): void {
  for (const { schema: each, value: path, path: place } of fieldsOf(schema, value)) {
    const file = fileFields.get(each as z.ZodType);
    if (file?.use !== 'needed' || typeof path !== 'string' || path === '' || isTurnedOff(value, place)) continue;
    const reason = whyUnreadable(path, file.type);
    if (reason !== undefined) complain({ path: place, message: `cannot read ${path}: ${reason}` });
  }
}

/** It is below a mapping with `enabled: false`. */
const isTurnedOff = (root: unknown, place: ValuePath): boolean =>
  place.some((_, i) => valueAt(root, [...place.slice(0, i), 'enabled']) === false);

/** Undefined when it can be read. */
export function whyUnreadable(path: string, type: FileField['type'] = 'file'): string | undefined {
  try {
    const isDirectory = statSync(path).isDirectory();
    if (isDirectory !== (type === 'directory')) return isDirectory ? 'it is a directory' : 'it is not a directory';
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return fileReason(error);
  }
}
