/** The set of listeners across reloads, and the notifications about those that route by server name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Listeners } from '../../src/control/listeners.ts';
import type { NameToRoute, WantedListener } from '../../src/control/plan.ts';
import { LinkerdTcpError } from '../../src/errors.ts';
import { serverConfig } from '../../src/settings/linkerd-tcp/server-config.ts';
import { surroundings } from '../support/running.ts';
import { until } from '../support/waiting.ts';

interface Server {
  readonly ip?: string;
  readonly port: number;
  readonly backlog?: number;
  readonly keepAlive?: object;
  readonly dstName?: string;
  readonly sni?: object;
}

const nameToRoute: NameToRoute = () => {
  throw new Error('nobody asks');
};

const wanted = (...servers: readonly Server[]) =>
  new Map<string, WantedListener>(
    servers.map((server, i) => {
      const parsed = serverConfig.parse({ dstName: '/svc/web', ...server });
      const place = `routers[0].servers[${i}]`;
      const named = parsed.sni ? nameToRoute : null;
      const route = parsed.sni ? null : 'web';
      return [
        `${parsed.ip} ${parsed.port}`,
        { router: 'a', server: parsed, route, named, identities: null, bufferSizeBytes: 1, place },
      ];
    }),
  );

function start() {
  const taken = () => new LinkerdTcpError('CANNOT_LISTEN', { address: 'x', reason: 'address in use (EADDRINUSE)' });
  const given = surroundings({ refusal: taken });
  let id = 0;
  const told: string[] = [];
  const names = {
    serve: (listener: number) => void told.push(`serve ${listener}`),
    drop: (listener: number) => void told.push(`drop ${listener}`),
  };
  const listeners = new Listeners({ around: given.around, log: given.log, nextId: () => ++id, names });
  return {
    ...given,
    apply: (servers: ReturnType<typeof wanted>) => listeners.apply(servers, ({ route }) => (route === null ? null : 1)),
    open: () => [...given.fake.listening.values()].map(({ ip, port, backlog }) => `${ip}:${port} ${backlog}`),
    listeners,
    told,
  };
}

test('another ip on the same port: the new socket is open before the old one closes', async () => {
  const { apply, open, log, fake } = start();
  await apply(wanted({ ip: '0.0.0.0', port: 1 }));
  const { promise, resolve } = Promise.withResolvers<void>();
  fake.closing = promise;
  const applied = apply(wanted({ ip: '127.0.0.1', port: 1 }));
  await until(() => open().length === 2, 'both to listen');
  resolve();
  await applied;
  assert.deepEqual(open(), ['127.0.0.1:1 1024']);
  assert.deepEqual(log.lines.slice(1), [
    'info: routing on 127.0.0.1:1 to /svc/web',
    'info: no longer listening on 0.0.0.0:1; its open connections stay open',
  ]);
});

test('another backlog or keep-alive changes the socket in place', async () => {
  const { apply, open, fake } = start();
  await apply(wanted({ port: 1 }));
  await apply(wanted({ port: 1, backlog: 7, keepAlive: { idleSecs: 9 } }));
  assert.equal(open().length, 1);
  assert.deepEqual([fake.adjusted.length, fake.adjusted[0]?.backlog, fake.adjusted[0]?.keepAliveSecs], [1, 7, 9]);
});

test('when a new socket cannot be had nothing has been closed, and the error says where and what next', async () => {
  const { apply, open, fake, listeners } = start();
  await apply(wanted({ ip: '0.0.0.0', port: 1 }, { port: 2 }));
  fake.refuse = 3;
  await assert.rejects(apply(wanted({ ip: '127.0.0.1', port: 1 }, { port: 4 }, { port: 3 })), {
    code: 'CANNOT_LISTEN',
    message: /EADDRINUSE\); see who has it with "ss -ltnp", or change routers\[0\]\.servers\[2\]\.port$/,
  });
  assert.deepEqual(open(), ['0.0.0.0:1 1024', '127.0.0.1:2 1024']);
  assert.deepEqual(
    listeners.servers().map(({ address }) => address),
    ['0.0.0.0:1', '127.0.0.1:2'],
  );
});

const bySni = { dstName: '/svc/{sni}', sni: { route: true } };

test('a listener that routes by name is announced before it listens, and forgotten when no worker accepts there any more', async () => {
  const { apply, told, fake } = start();
  await apply(wanted({ port: 1, ...bySni }));
  assert.deepEqual(told, ['serve 1']);
  const { route, hello, nameFrom } = fake.listening.get(1)!;
  assert.deepEqual([route, hello, nameFrom], [null, { timeoutMs: 5_000, mostBytes: 65_536 }, 'sni']);
  const { promise, resolve } = Promise.withResolvers<void>();
  fake.closing = promise;
  const applied = apply(wanted());
  assert.deepEqual(told, ['serve 1']);
  resolve();
  await applied;
  assert.deepEqual(told, ['serve 1', 'drop 1']);
});

test('a listener that is opened again has another id, and the names of the first go with it', async () => {
  const { apply, told } = start();
  await apply(wanted({ port: 1, ...bySni }));
  await apply(wanted({ port: 1, ip: '0.0.0.0', ...bySni }));
  assert.deepEqual(told, ['serve 1', 'serve 2', 'drop 1']);
});

test('one that cannot be had leaves nothing behind', async () => {
  const { apply, told, fake } = start();
  await apply(wanted({ ip: '0.0.0.0', port: 1, ...bySni }));
  fake.refuse = 3;
  await assert.rejects(apply(wanted({ ip: '127.0.0.1', port: 1, ...bySni }, { port: 3, ...bySni })));
  assert.deepEqual(told, ['serve 1', 'serve 2', 'serve 3', 'drop 3', 'drop 2']);
});

test('routing by name is turned on and off on the same socket', async () => {
  const { apply, told, fake, log } = start();
  await apply(wanted({ port: 1 }));
  await apply(wanted({ port: 1, ...bySni }));
  assert.deepEqual(told, ['serve 1']);
  assert.equal(fake.adjusted.at(-1)!.route, null);
  assert.equal(log.lines.at(-1), 'info: now routing on 127.0.0.1:1 to /svc/{sni}');
  await apply(wanted({ port: 1 }));
  assert.deepEqual(told, ['serve 1', 'drop 1']);
  assert.deepEqual([fake.adjusted.at(-1)!.route, fake.adjusted.at(-1)!.hello], [1, null]);
});

test('each reload tells where names lead now, also when nothing else of the listener changed', async () => {
  const { apply, told, fake } = start();
  await apply(wanted({ port: 1, ...bySni }));
  await apply(wanted({ port: 1, ...bySni }));
  assert.deepEqual(told, ['serve 1', 'serve 1']);
  assert.equal(fake.adjusted.length, 0);
});
