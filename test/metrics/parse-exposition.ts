/**
 * A strict parser of the Prometheus text format 0.0.4, for tests: it accepts only the promised format.
 *
 * Source: Prometheus, "Exposition formats", restated as a grammar per line.
 */

export interface ParsedFamily {
  readonly type: string;
  readonly help: string;
  /** In order. */
  readonly samples: readonly ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const nameText = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const helpLine = new RegExp(`^# HELP (${nameText}) (.+)$`);
const typeLine = new RegExp(`^# TYPE (${nameText}) (counter|gauge|histogram)$`);
const sampleLine = new RegExp(`^(${nameText})(?:\\{(.+)\\})? (\\S+)$`, 's');
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"\n\0]|\\[\\"n])*)"(,(?!$)|$)/y;
const number = /^(?:[+-]Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

/** Throws at the first line that is not well formed, at a second family of a name and at a series that comes twice. */
export function parseExposition(text: string): ReadonlyMap<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily & { samples: ParsedSample[] }>();
  const seen = new Set<string>();
  if (text === '') {
    return families;
  }
  if (!text.endsWith('\n')) {
    throw new Error('the last line does not end');
  }
  const lines = text.slice(0, -1).split('\n');
  let current: { name: string; samples: ParsedSample[]; type: string } | undefined;
  for (let i = 0; i < lines.length; i++) {
    const help = helpLine.exec(lines[i]);
    if (help !== null) {
      const type = typeLine.exec(lines[++i] ?? '');
      if (type?.[1] !== help[1]) {
        throw new Error(`HELP without its TYPE: ${lines[i - 1]}`);
      }
      if (families.has(help[1])) {
        throw new Error(`family twice: ${help[1]}`);
      }
      current = { name: help[1], type: type[2], samples: [] };
      families.set(current.name, { type: current.type, help: help[2], samples: current.samples });
      continue;
    }
    const sample = parseSample(lines[i]);
    const suffixes = current?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (!suffixes.some(suffix => `${current?.name}${suffix}` === sample.name)) {
      throw new Error(`sample outside of its family: ${lines[i]}`);
    }
    const key = lines[i].slice(0, lines[i].lastIndexOf(' '));
    if (seen.has(key)) {
      throw new Error(`series twice: ${key}`);
    }
    seen.add(key);
    current?.samples.push(sample);
  }
  return families;
}

function parseSample(line: string): ParsedSample {
  const match = sampleLine.exec(line);
  if (match === null || !number.test(match[3])) {
    throw new Error(`not a sample: ${JSON.stringify(line)}`);
  }
  const labels: Record<string, string> = {};
  const text = match[2] ?? '';
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const at = label.lastIndex;
    const pair = label.exec(text);
    if (pair === null || Object.hasOwn(labels, pair[1])) {
      throw new Error(`not a label at ${at}: ${JSON.stringify(line)}`);
    }
    labels[pair[1]] = pair[2].replace(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return { name: match[1], labels, value: parseNumber(match[3]) };
}

const parseNumber = (text: string): number =>
  text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
