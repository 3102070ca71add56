/** The metrics of namerd under load: well formed, complete, and as documented. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseExposition } from '../metrics/parse-exposition.ts';
import { projectRoot } from '../support/linkerd-tcp.ts';
import { memoryConfig, startOwnNamerd } from '../support/namerd-own.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const documented = [
  ...readFileSync(join(projectRoot, 'docs/reference/metrics.md'), 'utf8').matchAll(/^\| `([a-zA-Z_:][\w:]*)` \|/gm),
].map(match => match[1] as string);

/** Of the names kept from linkerd-tcp 0.1, and of those made like them. All else would be a defect. */
const accepted =
  /^l5d:\S+ (metric names should not contain ':'|counter metrics should have "_total" suffix|metric names should not contain abbreviated units)$/;

/** Without tokens no request is denied. */
const onlyWithTokens = ['l5d:namerd:api_denied'];

test('a scrape under load is one that promtool accepts, and has the metrics that the reference promises', async t => {
  const folder = tempDir(t);
  folder.write('disco/web', '127.0.0.1 80\n');
  const config = memoryConfig(0, 'namers:\n- {kind: io.l5d.fs, rootDir: disco}\n');
  const namerd = await startOwnNamerd(t, { config, folder });
  const api = `${namerd.url}/api/1`;
  const put = (dtab: string) =>
    fetch(`${api}/dtabs/default`, { method: 'PUT', headers: { 'content-type': 'application/dtab' }, body: dtab });
  await put('/svc => /#/io.l5d.fs');
  // Referenced until the end: the stream of an unreferenced answer is closed.
  const watches = await Promise.all(
    ['bind', 'resolve'].map(endpoint => fetch(`${api}/${endpoint}/default?path=/svc/web&watch=1`)),
  );
  let isOver = false;
  const load = async (lane: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      await (await put(`/svc => /#/io.l5d.fs; /lane/${lane} => /turn/${i}`)).text();
      await (await fetch(`${api}/bind/default?path=/svc/web`)).text();
      await (await fetch(`${api}/resolve/default`)).text();
    }
  };
  const lanes = [0, 1, 2, 3].map(load);
  const scrape = async () => (await fetch(`${namerd.adminUrl}/metrics`)).text();
  const answers = (text: string) =>
    parseExposition(text)
      .get('l5d:namerd:requests')!
      .samples.reduce((sum, { value }) => sum + value, 0);
  const text = await until(async () => {
    const body = await scrape();
    return answers(body) > 200 && body;
  }, 'a scrape while there is load');
  isOver = true;
  await Promise.all(lanes);
  await Promise.all(watches.map(({ body }) => body?.cancel()));

  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  assert.equal(error, undefined, 'promtool is needed: apt-get install prometheus');
  assert.ok(status === 0 || status === 3, `promtool cannot parse: ${stderr}${stdout}`);
  const complaints = `${stdout}${stderr}`.split('\n').filter(line => line !== '' && !accepted.test(line));
  assert.deepEqual(complaints, []);

  const families = parseExposition(text);
  const promised = documented.filter(name => name.startsWith('l5d:namerd:') && !onlyWithTokens.includes(name));
  assert.ok(promised.length >= 3, 'the reference lists the metrics of namerd');
  for (const name of promised) assert.ok(families.has(name), `${name} is promised`);
  // A histogram comes with the gauges of its extremes, which have no row of their own.
  for (const name of families.keys())
    assert.ok(documented.includes(name.replace(/_(min|max)$/, '')), `${name} is not in the reference`);
  const value = (name: string, labels: Readonly<Record<string, string>>) =>
    families
      .get(name)!
      .samples.find(sample => Object.entries(labels).every(([key, label]) => sample.labels[key] === label))?.value;
  assert.equal(value('l5d:namerd:watches', {}), 2);
  assert.equal(value('l5d:namerd:observations', { of: 'trees' }), 1);
  assert.equal(value('l5d:namerd:observations', { of: 'addrs' }), 1);
  for (const [endpoint, answer] of [
    ['dtabs', '204'],
    ['bind', '200'],
    ['resolve', '400'],
  ] as const)
    assert.ok(value('l5d:namerd:requests', { endpoint, status: answer })! > 0, `${endpoint} ${answer}`);
});
