/** Markdown tables and numbers as people read them. */
import type { Spread } from './statistics.ts';

/** Columns are padded, so that the text reads in a terminal too. All but the first are aligned to the right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map(row => (row[column] ?? '').length)),
  );
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[0] as number) : text.padStart(widths[column] as number);
  const line = (cells: readonly string[]): string => `| ${header.map((_, i) => pad(cells[i] ?? '', i)).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

/** Three significant digits, and no more digits than a measurement has: `1 234 567` becomes `1 230 000`. */
export function showNumber(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(3));
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  const [whole = '', fraction] = rounded.toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ' ');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** `median (min - max)` */
export function showSpread(spread: Spread | undefined, show: (value: number) => string = showNumber): string {
  if (spread === undefined) return '-';
  return `${show(spread.median)} (${show(spread.min)} - ${show(spread.max)})`;
}

export const showRatio = (ratio: number): string => `${ratio.toFixed(2)}×`;
