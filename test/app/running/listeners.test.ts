/** The set of listeners across reloads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverConfig } from '../../../src/app/config/server-config.ts';
import { Listeners } from '../../../src/app/running/listeners.ts';
import type { WantedListener } from '../../../src/app/running/plan.ts';
import { LinkerdTcpError } from '../../../src/errors.ts';
import { surroundings } from '../../support/running.ts';

const wanted = (...servers: readonly { ip?: string; port: number; backlog?: number }[]) =>
  new Map<string, WantedListener>(
    servers.map((server, i) => {
      const parsed = serverConfig.parse({ dstName: '/svc/web', ...server });
      const place = `routers[0].servers[${i}]`;
      return [`${parsed.ip} ${parsed.port}`, { router: 'a', server: parsed, route: 'web', bufferSizeBytes: 1, place }];
    }),
  );

function start() {
  const taken = () => new LinkerdTcpError('CANNOT_LISTEN', { address: 'x', reason: 'address in use (EADDRINUSE)' });
  const given = surroundings({ refusal: taken });
  let id = 0;
  const listeners = new Listeners({ around: given.around, log: given.log, nextId: () => ++id });
  return {
    ...given,
    apply: (servers: ReturnType<typeof wanted>) => listeners.apply(servers, () => 1),
    open: () => [...given.fake.listening.values()].map(({ ip, port, backlog }) => `${ip}:${port} ${backlog}`),
    listeners,
  };
}

test('another ip on the same port: the listener in the way goes first', async () => {
  const { apply, open, log } = start();
  await apply(wanted({ ip: '0.0.0.0', port: 1 }));
  await apply(wanted({ ip: '127.0.0.1', port: 1 }));
  assert.deepEqual(open(), ['127.0.0.1:1 1024']);
  assert.deepEqual(log.lines.slice(1), [
    'info: no longer listening on 0.0.0.0:1; its open connections go on',
    'info: routing on 127.0.0.1:1 to /svc/web',
  ]);
});

test('another backlog: the socket is opened again', async () => {
  const { apply, open, listeners } = start();
  await apply(wanted({ port: 1 }));
  await apply(wanted({ port: 1, backlog: 7 }));
  assert.deepEqual(open(), ['127.0.0.1:1 7']);
  assert.equal(listeners.servers().length, 1);
});

test('a listener that went for one that cannot be had is opened again, and the error says where and what next', async () => {
  const { apply, open, fake, listeners } = start();
  await apply(wanted({ ip: '0.0.0.0', port: 1 }, { port: 2 }));
  fake.refuse = 3;
  await assert.rejects(apply(wanted({ ip: '127.0.0.1', port: 1 }, { port: 4 }, { port: 3 })), {
    code: 'CANNOT_LISTEN',
    message: /EADDRINUSE\); see who has it with "ss -ltnp", or change routers\[0\]\.servers\[2\]\.port$/,
  });
  assert.deepEqual(open(), ['127.0.0.1:2 1024', '0.0.0.0:1 1024']);
  assert.deepEqual(
    listeners
      .servers()
      .map(({ address }) => address)
      .sort(),
    ['0.0.0.0:1', '127.0.0.1:2'],
  );
});
