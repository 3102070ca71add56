/**
 * The layer check: a room of src/ may import itself and the rooms below it, never one above. Neither files nor directories may
 * import each other in a cycle.
 *
 * It also checks that only io/native imports node:ffi, that pure rooms import nothing from Node but node:buffer, and that no
 * file exceeds 600 lines. `node scripts/layers.ts` runs it alone and prints the tree of rooms.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type Import, importsOf } from './imports.ts';

/** Top to bottom. A name with `.ts` is a file directly in src/. */
export const rooms = [
  'index.ts',
  'cli',
  'app',
  'quickstart',
  'namerctl',
  'control',
  'settings',
  'admin',
  'namerd',
  'listen-http.ts',
  'browser-guard.ts',
  'interpreters',
  'stores',
  'namers',
  'naming',
  'clients',
  'access-log',
  'proxy',
  'balancer',
  'tls',
  'live',
  'io',
  'wire',
  'dtab',
  'metrics',
  'config',
  'version.ts',
  'limited-log.ts',
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
  for (const cycle of cyclesOf(foldersOf(graph))) {
    problems.push(`cycle of directories: ${cycle.map(path => `src/${path}`).join(' → ')}`);
  }
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

/** The same graph between directories. A directory and its parent are two nodes: neither may import the other in a cycle. */
function foldersOf(graph: ReadonlyMap<string, readonly string[]>): Map<string, readonly string[]> {
  const folders = new Map<string, Set<string>>();
  for (const [path, targets] of graph) {
    const from = dirname(path);
    if (from === '.') continue;
    const imported = folders.get(from) ?? new Set();
    folders.set(from, imported);
    for (const to of targets.map(target => dirname(target))) if (to !== from && to !== '.') imported.add(to);
  }
  return new Map([...folders].map(([folder, imported]) => [folder, [...imported]]));
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

/** One line for each directory, top room first, with its number of files and lines. */
export function roomTree(files: readonly SourceFile[]): readonly string[] {
  const folders = new Map<string, { files: number; lines: number }>();
  const place = (path: string): string => (dirname(path) === '.' ? path : dirname(path));
  for (const { path, text } of files) {
    const seen = folders.get(place(path)) ?? { files: 0, lines: 0 };
    folders.set(place(path), { files: seen.files + 1, lines: seen.lines + text.split('\n').length - 1 });
    if (!folders.has(roomOf(path))) folders.set(roomOf(path), { files: 0, lines: 0 });
  }
  const order = (a: string, b: string): number => rank(roomOf(a)) - rank(roomOf(b)) || (a < b ? -1 : 1);
  return [...folders]
    .toSorted(([a], [b]) => order(a, b))
    .map(([folder, { files, lines }]) => {
      const name = `${'  '.repeat(folder.split('/').length - 1)}${folder.split('/').at(-1)}`;
      return `${name.padEnd(26)} ${String(files).padStart(3)} ${files === 1 ? 'file ' : 'files'} ${String(lines).padStart(6)} lines`;
    });
}

if (import.meta.main) {
  const sources = readSources(join(import.meta.dirname, '../src'));
  const { problems, files, medianLines } = checkLayers(sources);
  for (const line of roomTree(sources)) console.log(line);
  for (const problem of problems) console.log(problem);
  console.log(`${files} files, median ${medianLines} lines, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
