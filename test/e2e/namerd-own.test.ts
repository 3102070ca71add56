/** namerd and the proxy, each in its own process: from an empty namespace through updates, a death and a rebirth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { memoryConfig, startOwnNamerd } from '../support/namerd-own.ts';
import { namerdRouting, untilRoute } from '../support/namerd-routing.ts';
import { tempDir } from '../support/temp-dir.ts';
import { playValidation } from '../support/validation-scenario.ts';
import { until } from '../support/waiting.ts';

test('new connections follow the stored dtab, through the end of namerd and its return with an empty memory', async t => {
  const namerd = await startOwnNamerd(t);
  const exits: (() => unknown)[] = [];
  await playValidation(t, {
    url: namerd.url,
    port: namerd.apiPort,
    die: async () => {
      assert.equal((await fetch(`${namerd.adminUrl}/admin/shutdown`, { method: 'POST' })).status, 200);
      assert.deepEqual(await namerd.program.exited, { code: 0, signal: null });
    },
    rise: async () => {
      const { program } = await startOwnNamerd(t, { config: memoryConfig(namerd.apiPort) });
      exits.push(() => program.exit);
    },
  });
  assert.deepEqual(
    exits.map(exit => exit()),
    [undefined],
    'the reborn one runs',
  );
});

test('a service discovered by files moves connections while the dtab stays', async t => {
  const [a, b] = await Promise.all(['a', 'b'].map(name => namedBackend(t, name)));
  const config = memoryConfig(0, 'namers:\n- {kind: io.l5d.fs, rootDir: disco}\n').replace(
    'io.l5d.inMemory}',
    'io.l5d.inMemory, namespaces: {default: "/svc => /#/io.l5d.fs"}}',
  );
  const folder = tempDir(t);
  folder.write('disco/web', `127.0.0.1 ${a.port}\n`);
  const namerd = await startOwnNamerd(t, { config, folder });
  const proxy = await startLinkerdTcp(t, namerdRouting(namerd.url));
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the first route');
  assert.equal(await whoAnswers(proxy.port), 'a');
  folder.write('disco/web', `127.0.0.1 ${b.port}\n`);
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the file to be followed');
});
