/** `stateDir`: a start while namerd is absent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { launchNamerd } from '../support/namerd-process.ts';
import { namerdRouting, setWeb, untilRoute } from '../support/namerd-routing.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

test('a proxy that starts without its namerd serves the last known addresses with their age, until namerd is back', async t => {
  const [namerd, a, b] = await Promise.all([launchNamerd(t), namedBackend(t, 'a'), namedBackend(t, 'b')]);
  await setWeb(namerd, '/#/fs/a', [a.address]);
  const { config } = namerdRouting(namerd.url);
  const options = { config: `stateDir: ${tempDir(t).path}/state\n${config}` };
  const first = await startLinkerdTcp(t, options);
  assert.equal(await whoAnswers(first.port), 'a');
  await first.program.stop();
  await namerd.kill();

  const second = await startLinkerdTcp(t, options);
  assert.equal(await whoAnswers(second.port), 'a');
  const { stale } = await untilRoute(second, route => route.stale !== undefined, 'the route to say its age');
  assert.match(stale?.reason ?? '', /cannot reach .*; using the state in stateDir$/);
  assert.ok((await second.metric('l5d:resolver:stale_seconds', { dst: '/svc/web' })) > 0);
  await second.program.printed(/names\.json has 1 name, for use while naming is unreachable/);

  await namerd.start();
  await setWeb(namerd, '/#/fs/b', [b.address]);
  await until(async () => (await whoAnswers(second.port)) === 'b', 'new connections to follow to b');
  await untilRoute(second, route => route.stale === undefined, 'the route to be fresh');
});
