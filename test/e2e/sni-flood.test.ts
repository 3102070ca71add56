/** A flood of unknown names: its cost is bounded, and clients that ask for a real name are served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { helloMessage, recordsOf } from '../support/client-hello.ts';
import { fsRouting, startLinkerdTcp } from '../support/linkerd-tcp.ts';
import { inParallel } from '../support/parallel.ts';
import type { Scope } from '../support/scope.ts';
import { until, within } from '../support/waiting.ts';

/** Answers whatever it is sent by its name. */
async function startNamed(t: Scope, name: string): Promise<number> {
  const server = net.createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(name));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** The result for a client that asks for that server: the answer, or `refused` for the alert unrecognized_name. */
async function ask(port: number, serverName: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    socket.write(recordsOf(helloMessage({ serverName })));
    const answer = await within(text(socket.setEncoding('latin1')), `an answer to who asks for ${serverName}`);
    return answer === '\x15\x03\x03\x00\x02\x02\x70' ? 'refused' : answer;
  } finally {
    socket.destroy();
  }
}

test('3000 unknown names: known ones are served all the time, new ones soon again, and what is kept is bounded', async t => {
  const disco = { 'a.test': [await startNamed(t, 'a')], 'b.test': [await startNamed(t, 'b')] };
  const servers = { '"/svc/{sni}"': 'sni: {route: true}' };
  const { port, get, program } = await startLinkerdTcp(t, fsRouting({ dtab: '/svc => /#/io.l5d.fs;', disco, servers }));
  const countRoutes = async (): Promise<number> => (JSON.parse(await get('/routes.json')) as unknown[]).length;
  assert.equal(await ask(port, 'a.test'), 'a');
  let most = 0;
  await inParallel(3_000, 40, async i => {
    assert.equal(await ask(port, `unknown-${i}.test`), 'refused');
    if (i % 500 !== 499) return;
    assert.equal(await ask(port, 'a.test'), 'a');
    most = Math.max(most, await countRoutes());
  });
  assert.ok(most <= 2_500, `${most} routes`);
  await until(async () => (await ask(port, 'b.test')) === 'b', 'a new name to be taken');
  assert.ok(program.output.split('\n').length < 200, `${program.output.split('\n').length} lines in the log`);
  await until(async () => (await countRoutes()) === 2, 'the unknown names to be forgotten', { timeoutMs: 30_000 });
});
