/**
 * Requests that are as expensive as a client can make them, against the program with its default limits: none blocks it.
 *
 * The bounds themselves are tested with counted work (test/namerd/limits.test.ts); this guards against a cost that was missed.
 * Before there were bounds, each of these blocked namerd for between 1 and 90 seconds on an idle machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOwnNamerd } from '../support/namerd-own.ts';

const asDtab = { 'content-type': 'application/dtab' };
const asJson = { 'content-type': 'application/json' };

const many = (count: number, rule: (i: number) => string) => Array.from({ length: count }, (_, i) => rule(i)).join('');
const alternatives = Array(8000).fill('/b').join('|');

const requests: readonly (readonly [method: string, target: string, headers: Record<string, string>, body?: string])[] =
  [
    ['PUT', 'dtabs/big?validate=true', asDtab, many(140_000, () => '/b=>/c;')],
    ['PUT', 'dtabs/big?validate=true', asDtab, many(60_000, i => `/s${i}=>/s${i};`)],
    ['PUT', 'dtabs/big?validate=true', asDtab, `/a=>${alternatives};`.repeat(30)],
    ['PUT', 'dtabs/big', asDtab, many(60_000, i => `/s${i}=>/t${i};`)],
    ['PUT', 'dtabs/json', asJson, JSON.stringify(Array(20_000).fill({ prefix: '/a', dst: '/b' }))],
    ['GET', 'dtabs/big', {}],
    ['GET', 'bind/big?path=/s1', {}],
    ['POST', 'delegate', asJson, JSON.stringify({ path: '/a', dtab: `/a=>${alternatives}` })],
    ['POST', 'delegate', asJson, JSON.stringify({ path: '/a', dtab: `/a=>${alternatives.replaceAll('|', '&')}` })],
    ['GET', `bind/none?path=/a&dtab=${encodeURIComponent('/a=>/a/a|/a/a|/a/a|/a/a')}`, {}],
    [
      'GET',
      `resolve/none?path=/a/b/c/d/e/f&dtab=${encodeURIComponent('/*=>/x|/y|/z;/*/*=>/v|/w;/*/*/*=>/a|/b|/c')}`,
      {},
    ],
    ['GET', 'dtabs/big/history?dtab=true&limit=1000', {}],
  ];

/** Far from a measurement: on a busy machine other processes delay the loop, too. */
const maxDelayMs = 5000;

test('no request of a client blocks namerd for long', async t => {
  const config =
    'admin: {port: 0}\nstorage: {kind: io.l5d.sqlite, path: dtabs.sqlite}\ninterfaces: [{kind: io.l5d.httpController, port: 0}]\n';
  const { url, adminUrl } = await startOwnNamerd(t, { config });
  const longest = async () => {
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    return Number(/^l5d:process:event_loop_delay_us_max (\S+)$/m.exec(metrics)?.[1] ?? 0) / 1000;
  };
  for (const [method, target, headers, body] of requests) {
    const answer = await fetch(`${url}/api/1/${target}`, { method, headers, body });
    await answer.text();
    const delay = await longest();
    const what = `${method} ${target.slice(0, 60)} of ${body?.length ?? 0} characters, ${answer.status}`;
    t.diagnostic(`${delay.toFixed()} ms after ${what}`);
    assert.ok(delay < maxDelayMs, `${delay} ms after ${what}`);
  }
});
