/**
 * A picture of ratios: groups of horizontal bars against a line at 1, as an SVG that reads on light and dark pages.
 *
 * A bar ends at the median; a thin line shows minimum and maximum.
 */
import type { Spread } from './statistics.ts';

export interface Bar {
  readonly series: string;
  readonly spread: Spread;
}

export interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly groups: readonly Group[];
}

const width = 860;
const left = 300;
const right = 70;
const barHeight = 13;
const groupGap = 14;
const top = 84;
/** Longer bars are cut, and their number says how far they would go. */
const longest = 4;

/** Colours that differ in lightness too, for those who see few of them. */
const colours = ['#3b6fd4', '#d98324', '#2f9e78', '#a35bbf', '#8a8f98', '#c2413b'];

export function drawChart({ title, subtitle, groups }: Chart): string {
  const series = [...new Set(groups.flatMap(group => group.bars.map(bar => bar.series)))];
  const colourOf = (name: string): string => colours[series.indexOf(name) % colours.length] as string;
  const tops = groups.flatMap(group => group.bars.map(bar => bar.spread.max));
  const end = Math.min(longest, Math.max(1.25, ...tops));
  const x = (value: number): number => left + (Math.min(value, end) / end) * (width - left - right);
  const parts: string[] = [];
  let y = top;
  for (const group of groups) {
    const height = group.bars.length * barHeight;
    parts.push(text(left - 12, y + height / 2 + 4, group.title, 'end', 'label'));
    for (const { series: name, spread } of group.bars) {
      const middle = y + barHeight / 2;
      const label = `${name}: ${ratio(spread.median)} (${ratio(spread.min)} - ${ratio(spread.max)})`;
      parts.push(
        `<g><title>${escaped(label)}</title>` +
          `<rect x="${left}" y="${y + 1}" width="${round(x(spread.median) - left)}" height="${barHeight - 2}" fill="${colourOf(name)}"/>` +
          `<line class="spread" x1="${round(x(spread.min))}" x2="${round(x(spread.max))}" y1="${middle}" y2="${middle}"/></g>`,
        text(round(x(spread.max)) + 6, middle + 4, ratio(spread.median), 'start', 'value'),
      );
      y += barHeight;
    }
    y += groupGap;
  }
  const ticks = Array.from({ length: Math.floor(end / 0.5) + 1 }, (_, i) => i * 0.5);
  const vertical = (value: number, style: string): string =>
    `<line class="${style}" x1="${round(x(value))}" x2="${round(x(value))}" y1="${top - 8}" y2="${y}"/>`;
  const grid = ticks.map(tick => vertical(tick, 'grid') + text(round(x(tick)), y + 16, `${tick}×`, 'middle', 'value'));
  const legend = series.map((name, i) => {
    const at = 16 + i * Math.min(210, (width - 32) / series.length);
    return (
      `<rect x="${round(at)}" y="54" width="11" height="11" fill="${colourOf(name)}"/>` +
      text(round(at) + 16, 64, name, 'start', 'value')
    );
  });
  const height = y + 28;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(subtitle)}</desc>`,
    '<style>',
    'text { font-family: system-ui, sans-serif; fill: #1f2328; } .title { font-size: 16px; font-weight: 600; }',
    '.label { font-size: 12.5px; } .value, .subtitle { font-size: 11.5px; fill: #59636e; }',
    '.page { fill: #ffffff; } .grid { stroke: #d1d9e0; } .one { stroke: #1f2328; stroke-width: 1.5; }',
    '.spread { stroke: #1f2328; stroke-width: 1; opacity: 0.7; }',
    '@media (prefers-color-scheme: dark) {',
    'text { fill: #f0f6fc; } .value, .subtitle { fill: #9198a1; } .page { fill: #0d1117; } .grid { stroke: #30363d; }',
    '.one, .spread { stroke: #f0f6fc; } }',
    '</style>',
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    text(16, 26, title, 'start', 'title'),
    text(16, 44, subtitle, 'start', 'subtitle'),
    ...legend,
    ...grid,
    ...parts,
    // Over the bars that go beyond it.
    vertical(1, 'one'),
    '</svg>',
  ].join('\n')}\n`;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', style: string): string {
  return `<text x="${x}" y="${round(y)}" text-anchor="${anchor}" class="${style}">${escaped(content)}</text>`;
}

const ratio = (value: number): string => `${value.toFixed(2)}×`;
const round = (value: number): number => Math.round(value * 10) / 10;

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
