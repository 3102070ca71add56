/**
 * The configurations of the original linkerd-tcp demo (Linkerd 1.x with namerd and linkerd-tcp 0.1), as they were.
 *
 * The programs run here with other ports, another directory and another host name of namerd: nothing else is changed.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd } from '../../src/settings/namerd/load.ts';
import { startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { namedBackend, whoAnswers } from '../support/named-backend.ts';
import { startOwnNamerd } from '../support/namerd-own.ts';
import { untilRoute } from '../support/namerd-routing.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures/linkerd-demo', name), 'utf8');

test('the demo configurations are valid, and a warning says that Thrift is not served and which API is', t => {
  const warnings: string[] = [];
  const warned = (text: string) => void warnings.push(text);
  const text = fixture('namerd.yml').replace('/disco', tempDir(t).path);
  loadNamerd({ file: 'namerd.yml', text, warned }, namerdKinds);
  assert.match(
    warnings.join('\n'),
    /^namerd\.yml:18:9 +interfaces.*io\.l5d\.thriftNameInterpreter is not served: .* no Thrift API\. .*io\.l5d\.httpController.*io\.l5d\.namerd\.http/,
  );
  assert.equal(warnings.length, 1);
  loadLinkerdTcp({ file: 'linkerd-tcp.yml', text: fixture('linkerd-tcp.yml') }, kinds);
});

test('the demo runs: one edit of the dtab moves new connections from one cluster to the other', async t => {
  const [redis1, redis2] = await Promise.all(['1', '2'].map(name => namedBackend(t, name)));
  const folder = tempDir(t);
  folder.write('disco/redis1', `127.0.0.1 ${redis1.port}\n`);
  folder.write('disco/redis2', `127.0.0.1 ${redis2.port}\n`);
  const freePorts = (text: string) => text.replaceAll(/port: \d+/g, 'port: 0');
  const config = freePorts(fixture('namerd.yml')).replace('/disco', 'disco');
  const namerd = await startOwnNamerd(t, { config, folder });
  await namerd.program.printed(/thriftNameInterpreter is not served/);
  const proxy = await startLinkerdTcp(t, {
    config: freePorts(fixture('linkerd-tcp.yml')).replace('http://namerd:4180', namerd.url),
  });
  await untilRoute(proxy, ({ state }) => state === 'bound', 'the route');
  assert.equal(await whoAnswers(proxy.port), '1');
  const dtab = '/cluster => /#/io.l5d.fs ; /svc => /cluster ; /svc/redis => /cluster/redis2';
  const put = { method: 'PUT', headers: { 'content-type': 'application/dtab' }, body: dtab };
  assert.equal((await fetch(`${namerd.url}/api/1/dtabs/default`, put)).status, 204);
  await until(async () => (await whoAnswers(proxy.port)) === '2', 'the move');
});
