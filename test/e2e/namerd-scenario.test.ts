/** Whole stories: a namerd's life from an empty namespace to a restart, and a server too old to stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, openSession, whoAnswers } from '../support/named-backend.ts';
import { boundJson, leafJson } from '../support/namerd.ts';
import { launchNamerd } from '../support/namerd-process.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import { playValidation } from '../support/validation-scenario.ts';
import { until } from '../support/waiting.ts';

test('from an empty namespace through updates, a death and a rebirth, new connections are always right and sessions whole', async t => {
  const namerd = await launchNamerd(t);
  await playValidation(t, {
    url: namerd.url,
    port: namerd.port,
    die: () => namerd.kill('SIGTERM'),
    rise: () => namerd.start(),
    meaning: async (id, { address }) => {
      await namerd.call('setAddr', id, boundJson([address]));
      await namerd.call('setBind', 'validation', '/svc/skrrt', leafJson(id));
    },
  });
});

test('a server without bind is polled every periodSecs, through failures and negative answers', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await namerd.call('setStatus', 'bind', 404);
  await namerd.call('setResolve', 'default', '/svc/web', boundJson([a.address]));
  const proxy = await startLinkerdTcp(
    t,
    namerdRouting(namerd.url, { interpreter: `baseUrl: "${namerd.url}", namespace: default, periodSecs: 0.1` }),
  );
  const session = await openSession(t, proxy.port);
  assert.equal(session.backend, 'a');
  await proxy.program.printed(/no streaming bind.*polling resolve every 0\.1 s/);

  const polls = async () => (await namerd.call('requests')).filter(line => line.includes('/resolve/')).length;
  const before = await polls();
  const startedAt = performance.now();
  await until(async () => (await polls()) >= before + 6, 'six polls');
  const tookMs = performance.now() - startedAt;
  const polled = (await polls()) - before;
  assert.ok(polled <= tookMs / 100 + 2, `${polled} polls in ${tookMs} ms`);

  await namerd.call('setResolve', 'default', '/svc/web', boundJson([b.address]));
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the next answer to be followed');
  await namerd.call('setStatus', 'resolve', 503);
  await untilRoute(proxy, ({ stale }) => /503/.test(stale?.reason ?? ''), 'the failure to be shown');
  assert.equal(await whoAnswers(proxy.port), 'b');
  await namerd.call('setStatus', 'resolve', 200);
  await namerd.call('setResolve', 'default', '/svc/web', { type: 'neg' });
  await untilRoute(proxy, ({ stale }) => /no address/.test(stale?.reason ?? ''), 'the negative answer to be shown');
  assert.equal(await whoAnswers(proxy.port), 'b');
  await namerd.kill();
  await until(async () => {
    const failures = await proxy.metric('l5d:resolver:failure_count');
    return failures >= 3;
  }, 'the outage to be noticed');
  assert.equal(await whoAnswers(proxy.port), 'b');

  await namerd.start();
  await namerd.call('setAddr', '/#/fs/a', boundJson([a.address]));
  await namerd.call('setBind', 'default', '/svc/web', leafJson('/#/fs/a'));
  await until(async () => (await whoAnswers(proxy.port)) === 'a', 'the server, which streams now, to be followed');
  await namerd.call('untilWatches', 2);
  await session.exchange('1M');
  await session.finish();
});
