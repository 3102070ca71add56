/** A namerd that asks for tokens, and a proxy that has one: each a process of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { memoryConfig, startOwnNamerd } from '../support/namerd-own.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const secret = (name: string) => `${name}-hunter2-hunter2`;
const by = (name: string) => ({ authorization: `Bearer ${secret(name)}` });

const guarded = (auth: string, more = '') =>
  memoryConfig().replace('Controller, port: 0', `Controller, port: 0, ${more}auth: {${auth}}`);

test('a proxy with a token follows its namespace; the token is replaced while it runs, and is in no file that is written', async t => {
  const folder = tempDir(t);
  folder.write('proxy.token', `${secret('first')}\n`);
  const namerd = await startOwnNamerd(t, {
    folder,
    config: guarded(
      `tokens: [{name: deploy, token: ${secret('deploy')}, write: ['*']}, {name: proxy, tokenFile: proxy.token, read: [default]}]`,
    ),
  });
  const dtabs = `${namerd.url}/api/1/dtabs`;
  const routeTo = async (port: number) => {
    const headers = { 'content-type': 'application/dtab', ...by('deploy') };
    const body = `/svc/web => /$/inet/127.1/${port}`;
    assert.equal((await fetch(`${dtabs}/default`, { method: 'PUT', headers, body })).status, 204);
  };
  const [a, b] = await Promise.all(['a', 'b'].map(name => namedBackend(t, name)));
  await routeTo(a.port);
  const proxy = await startLinkerdTcp(t, {
    ...namerdRouting(namerd.url, {
      interpreter: `baseUrl: "${namerd.url}", namespace: default, periodSecs: 0.2, tokenFile: proxy.token`,
    }),
    files: { 'proxy.token': secret('first') },
  });
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the route');
  assert.equal(await whoAnswers(proxy.port), 'a');

  folder.write('proxy.token', `${secret('second')}\n`);
  const lost = await untilRoute(proxy, ({ stale }) => stale !== undefined && stale !== null, 'the refusal to be seen');
  assert.match(String(lost.stale?.reason), /denied access with status 401: unknown or revoked token/);
  await routeTo(b.port);
  assert.equal(await whoAnswers(proxy.port), 'a', 'the last good state stays');
  proxy.folder.write('proxy.token', `${secret('second')}\n`);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the new token to be used');

  for (const [headers, status] of [
    [{}, 401],
    [by('first'), 401],
    [by('second'), 403],
  ] as const)
    assert.equal((await fetch(`${dtabs}/default`, { method: 'DELETE', headers })).status, status);
  const metrics = await (await fetch(`${namerd.adminUrl}/metrics`)).text();
  assert.match(metrics, /^l5d:namerd:api_denied\{reason="no_token",token="none"\} 1$/m);
  assert.match(metrics, /^l5d:namerd:api_denied\{reason="unknown_token",token="none"\} [1-9]/m);
  assert.match(metrics, /^l5d:namerd:api_denied\{reason="write",token="proxy"\} 1$/m);
  assert.match(namerd.program.output, /info PUT \/api\/1\/dtabs\/default by token deploy/);
  assert.match(namerd.program.output, /info token proxy: \S+proxy\.token has changed and is in effect/);
  assert.match(namerd.program.output, /warn refused \w+ \/api\/1\/\S+ of 127\.0\.0\.1: /);

  const config = await (await fetch(`${namerd.adminUrl}/config.json`)).text();
  assert.match(config, /"name":"deploy","token":"\(hidden\)","read":\[\],"write":\["\*"\]/);
  const shown = [config, metrics, await proxy.get('/config.json'), await proxy.get('/routes.json')];
  for (const text of [...shown, namerd.program.output, proxy.program.output])
    assert.ok(!text.includes('hunter2'), text);
});

test('on an address that other machines can reach, writes without a token and tokens in clear text are logged as warnings', async t => {
  const tokens = `tokens: [{name: deploy, token: ${secret('deploy')}, write: ['*']}]`;
  const clear = await startOwnNamerd(t, { config: guarded(tokens, 'ip: 0.0.0.0, ') });
  await clear.program.printed(
    /warn tokens are sent unencrypted to 0\.0\.0\.0:\d+: anyone on the network can read them/,
  );
  assert.doesNotMatch(clear.program.output, /anyone who can reach the API/);
  const readable = await startOwnNamerd(t, { config: guarded('anonymous: read', 'ip: 0.0.0.0, ') });
  await readable.program.printed(/admin listening/);
  assert.doesNotMatch(readable.program.output, /warn/);
  assert.equal((await fetch(`${readable.url}/api/1/dtabs`)).status, 200);
  assert.equal((await fetch(`${readable.url}/api/1/dtabs/x`, { method: 'DELETE' })).status, 401);
});
