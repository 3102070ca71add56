/** The picture of the benchmark. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawChart } from '../../bench/chart.ts';

const bar = (series: string, median: number) => ({
  series,
  spread: { min: median * 0.9, median, max: median * 1.1, count: 5 },
});
const draw = (...bars: readonly ReturnType<typeof bar>[]): string =>
  drawChart({ title: 'a < b & c', subtitle: '', groups: [{ title: 'row', bars }] });
const lengths = (svg: string): number[] =>
  [...svg.matchAll(/<rect x="300" y="\d+" width="([\d.]+)"/g)].map(match => Number(match[1]));

test('the length of a bar is in proportion to its median', () => {
  const [one, two] = lengths(draw(bar('x', 1), bar('y', 2)));
  assert.ok(Math.abs((two as number) / (one as number) - 2) < 0.01);
});

test('a bar longer than the picture ends at its edge and still says its number', () => {
  const svg = draw(bar('x', 9));
  assert.ok((lengths(svg)[0] as number) <= 860 - 300 - 70);
  assert.match(svg, />9\.00×</);
});

test('the colours follow light and dark pages, and text is escaped', () => {
  const svg = draw(bar('x', 1));
  assert.match(svg, /@media \(prefers-color-scheme: dark\)/);
  assert.match(svg, /<title>a &lt; b &amp; c<\/title>/);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[\s\S]*<\/svg>\n$/);
});
