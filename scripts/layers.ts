/**
 * The layer check: a room of src/ may import itself and the rooms below it, never one above; no cycles between files.
 *
 * It also keeps what the rooms promise: only io/native touches node:ffi, the pure rooms touch nothing of Node but buffers,
 * and no file outgrows 600 lines. Run alone: `node scripts/layers.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type Import, importsOf } from './imports.ts';

/** Top to bottom. A name with `.ts` is a file directly in src/. */
export const rooms = [
  'index.ts',
  'cli',
  'namerctl',
  'app',
  'admin',
  'namerd',
  'stores',
  'namers',
  'naming',
  'dtab',
  'proxy',
  'balancer',
  'io',
  'wire',
  'metrics',
  'config',
  'version.ts',
  'log.ts',
  'line-sink.ts',
  'errors.ts',
] as const;

const pureRooms = new Set(['dtab', 'balancer', 'wire']);
const longestFile = 600;

export interface SourceFile {
  /** Relative to src/, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface LayerReport {
  readonly problems: readonly string[];
  readonly files: number;
  readonly medianLines: number;
}

export function checkLayers(files: readonly SourceFile[]): LayerReport {
  const problems: string[] = [];
  const known = new Set(files.map(file => file.path));
  const graph = new Map<string, string[]>();
  const lengths: number[] = [];
  for (const { path, text } of files) {
    const room = roomOf(path);
    if (rank(room) < 0) problems.push(`src/${path}: the room ${room} is not in the list of scripts/layers.ts`);
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    lengths.push(lines);
    if (lines > longestFile) problems.push(`src/${path}: ${lines} lines, more than ${longestFile}`);
    const targets: string[] = [];
    for (const found of importsOf(text)) {
      if (!found.specifier.startsWith('.')) {
        const problem = packageProblem(path, room, found);
        if (problem !== undefined) problems.push(problem);
        continue;
      }
      const target = join(dirname(path), found.specifier);
      const problem = relativeProblem(path, room, target, found, known);
      if (problem !== undefined) problems.push(problem);
      if (known.has(target)) targets.push(target);
    }
    graph.set(path, targets);
  }
  for (const cycle of cyclesOf(graph)) problems.push(`cycle: ${cycle.map(path => `src/${path}`).join(' → ')}`);
  return { problems, files: files.length, medianLines: median(lengths) };
}

function relativeProblem(
  path: string,
  room: string,
  target: string,
  { specifier, line }: Import,
  known: ReadonlySet<string>,
): string | undefined {
  if (target.startsWith('..')) return undefined;
  if (!known.has(target)) return `src/${path}:${line}: ${specifier} is not a file of src/`;
  const targetRoom = roomOf(target);
  if (rank(targetRoom) >= rank(room)) return undefined;
  return `src/${path}:${line}: upward import, ${room} → ${targetRoom} (${specifier})`;
}

function packageProblem(path: string, room: string, { specifier, line }: Import): string | undefined {
  const where = `src/${path}:${line}`;
  if (specifier === 'node:ffi' && !path.startsWith('io/native/')) return `${where}: only io/native may import node:ffi`;
  if (!pureRooms.has(room) || specifier === 'node:buffer') return undefined;
  if (isBuiltin(specifier) || specifier === 'rxjs' || specifier.startsWith('rxjs/')) {
    return `${where}: ${room} is pure and may not import ${specifier}`;
  }
  return undefined;
}

function roomOf(path: string): string {
  return path.split('/', 1)[0] as string;
}

function rank(room: string): number {
  return (rooms as readonly string[]).indexOf(room);
}

/** One cycle for each back edge of a depth-first walk: the empty list means there is none. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) {
      cycles.push([...trail.slice(seenAt), path]);
      return;
    }
    if (finished.has(path)) return;
    trail.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    trail.pop();
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return cycles;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

export function readSources(folder: string): readonly SourceFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => join(entry.parentPath, entry.name))
    .map(file => ({ path: relative(folder, file), text: readFileSync(file, 'utf8') }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

if (import.meta.main) {
  const { problems, files, medianLines } = checkLayers(readSources(join(import.meta.dirname, '../src')));
  for (const problem of problems) console.log(problem);
  console.log(`${files} files, median ${medianLines} lines, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
