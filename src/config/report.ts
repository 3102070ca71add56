/** The one report an operator reads: every problem with its place, then what to do next. */
import type { ConfigDocument, Position } from './document.ts';
import { type Problem, pathText } from './problem.ts';

/** The reason for reading the configuration; decides the last line of the report. */
export type Purpose = 'start' | 'check' | 'reload';

export interface LocatedProblem {
  readonly at: Position;
  readonly text: string;
  readonly severity?: 'warning' | undefined;
}

/** More lines would not help. */
const shown = 100;

export function locate(document: ConfigDocument, problem: Problem): LocatedProblem {
  const { path, message, offset, onKey, severity } = problem;
  const at =
    offset !== undefined
      ? document.insidePosition(path, offset)
      : onKey
        ? document.keyPosition(path)
        : document.valuePosition(path);
  return { at, text: path.length === 0 ? message : `${pathText(path)}: ${message}`, severity };
}

export function report(program: string, file: string, purpose: Purpose, problems: readonly LocatedProblem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`${program}: ${count} in ${file}`, ...listing(file, problems), ...outcome(program, file, purpose)].join('\n');
}

/** One line each, in the order of the file. */
export function listing(file: string, problems: readonly LocatedProblem[]): string[] {
  const sorted = problems.toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  const places = sorted.slice(0, shown).map(({ at }) => `${file}:${at.line}:${at.column}`);
  const width = Math.max(...places.map(place => place.length));
  const lines = places.map((place, i) => `  ${place.padEnd(width)}  ${sorted[i].text}`);
  return sorted.length > shown ? [...lines, `  ... and ${sorted.length - shown} more`] : lines;
}

/** How the report ends. `<stdin>` is asked for as `-`. */
function outcome(program: string, file: string, purpose: Purpose): string[] {
  const check = `Check with: ${program} --check ${file === '<stdin>' ? '-' : file}`;
  if (purpose === 'check') return [];
  return [`${purpose === 'start' ? 'Nothing was started.' : 'Nothing was changed.'} ${check}`];
}
