/** The native drivers when a system call fails: the failure is delivered where it belongs, and nothing hangs or spins. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { DriverEvents } from '../../../src/io/driver.ts';
import type { Handle } from '../../../src/io/handle.ts';
import { BufferPool } from '../../../src/io/native/base/buffer-pool.ts';
import { EpollDriver } from '../../../src/io/native/epoll/driver.ts';
import { F_GETPIPE_SZ, F_SETPIPE_SZ } from '../../../src/io/native/kernel/constants.ts';
import { libc } from '../../../src/io/native/kernel/libc.ts';
import { mapMemory } from '../../../src/io/native/kernel/memory.ts';
import { PipePool } from '../../../src/io/native/kernel/pipes.ts';
import { openConnector, startConnect } from '../../../src/io/native/kernel/socket-options.ts';
import { UringDriver } from '../../../src/io/native/uring/driver.ts';
import { enterRing, Ring } from '../../../src/io/native/uring/ring.ts';
import { drivers } from '../../support/drivers.ts';
import { failing, fails, withoutDescriptors } from '../../support/fault.ts';
import { listeningPeer } from '../../support/peer.ts';
import { Rig } from '../rig.ts';

const { EBUSY, EINTR, EMFILE, ENOMEM, ENOSPC, EPERM } = constants.errno;

const noEvents: DriverEvents = {
  listening: () => {},
  accepted: () => {},
  acceptFailed: () => {},
  connected: () => {},
  data: () => {},
  moved: () => {},
  drained: () => {},
  ended: () => {},
  failed: () => {},
  closed: () => {},
  woken: () => {},
};

for (const { kind, createDriver } of drivers.filter(driver => driver.kind !== 'portable')) {
  const promise = (title: string, body: (rig: Rig, t: TestContext) => Promise<void>): void => {
    test(`${kind}: ${title}`, async t => {
      const rig = new Rig(createDriver);
      try {
        await body(rig, t);
      } finally {
        await rig.finish();
      }
    });
  };

  promise('writes and pipes that a signal interrupts lose nothing and do not stop', async (rig, t) => {
    const { socket: from, client } = await rig.accept(t);
    const { socket: to, server } = await rig.connected(await listeningPeer(t));
    rig.heard(from).sink = to;
    rig.driver.reading(from, true);
    let calls = 0;
    const everySecond = { when: () => calls++ % 2 === 0 };
    failing(t, 'write', EINTR, everySecond);
    failing(t, 'splice', EINTR, everySecond);
    client.queue(8 * 1024 * 1024);
    await server.play('expect 2M');
    rig.driver.splice(from, to);
    await server.play('expect 6M');
  });

  promise('a socket is relayed by copying when the process has no pipe for it', async (rig, t) => {
    const { socket: from } = await rig.accept(t);
    const { socket: to } = await rig.connected(await listeningPeer(t));
    failing(t, 'pipe2', EMFILE);
    assert.equal(rig.driver.splice(from, to), false);
  });
}

test('a pipe of the smallest size is refused: splicing through it costs more than copying', t => {
  failing(t, 'fcntl', EPERM, { when: (_fd, command) => command === F_SETPIPE_SZ });
  const pipes = new PipePool({ limit: 4, kept: 0 });
  const usual = pipes.take();
  assert.ok(usual, '64 KiB are enough');
  pipes.give(usual);
  failing(t, 'fcntl', EPERM, { when: (_fd, command) => command === F_GETPIPE_SZ });
  assert.equal(pipes.take(), undefined);
});

test('epoll: a socket that cannot be watched fails with the reason', async t => {
  const upstream = await listeningPeer(t);
  const rig = new Rig((drivers.find(({ kind }) => kind === 'epoll') as (typeof drivers)[0]).createDriver);
  failing(t, 'epoll_ctl', ENOSPC, { times: 1 });
  const socket = rig.connect(upstream.port);
  assert.equal((await rig.event(socket, 'failed')).errno, ENOSPC);
  await rig.finish();
});

test('epoll: without a descriptor for the epoll itself the driver reports it instead of spinning', t => {
  failing(t, 'epoll_create1', EMFILE);
  assert.throws(() => new EpollDriver(noEvents), /driver epoll cannot run here: .*EMFILE/);
});

test('a pool that cannot grow because memory is short gives out no buffer until there is memory again', t => {
  const pool = new BufferPool({ bytes: 4096, step: 1, limit: 2 });
  const first = pool.take();
  failing(t, 'mmap', ENOMEM, { times: 1 });
  assert.equal(pool.take(), -1);
  pool.give(first);
  assert.equal(pool.take(), first);
});

test('uring: a full queue that the kernel refuses to take is kept, and no entry is overwritten', () => {
  let refusals = 3;
  const ring = new Ring(8, (...args) => (refusals-- > 0 ? fails(EBUSY) : enterRing(...args)));
  const nop = 0;
  for (let i = 0; i < 20; i++) ring.prepare(nop, -1, 1, i);
  const seen: number[] = [];
  ring.enter(1, 100);
  ring.reap((_tag, data) => seen.push(data));
  assert.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, i) => i),
  );
  ring.close();
});

test('uring: a listener that is closed while an accept fails for want of descriptors is closed all the same', t => {
  const bell = libc.eventfd(0, 0x80800);
  t.after(() => libc.close(bell));
  let listener = -1 as Handle;
  let port = 0;
  const seen: string[] = [];
  const driver: UringDriver = new UringDriver(
    {
      ...noEvents,
      listening: (_listener, address) => {
        port = address.port;
      },
      acceptFailed: () => seen.push('acceptFailed'),
      closed: () => seen.push('closed'),
    },
    { wake: { fd: bell, onWake: () => driver.close(listener) } },
  );
  listener = driver.listen({ ip: '127.0.0.1', port: 0, backlog: 8, reusePort: false, socket: { keepAliveSecs: 0 } });
  driver.turn(0);
  driver.turn(0);
  const address = { ip: '127.0.0.1', port };
  const client = openConnector(address);
  t.after(() => libc.close(client));
  const one = mapMemory(8);
  one.bytes[0] = 1;
  // In one batch: the doorbell, on which the listener is closed, then the accept that fails.
  libc.write(bell, one.pointer, 8);
  startConnect(client, address);
  withoutDescriptors(() => driver.turn(0));
  for (let i = 0; i < 5; i++) driver.turn(10);
  assert.deepEqual(seen, ['closed']);
  assert.deepEqual(driver.ledger(), { sockets: 0, buffers: 0 });
  driver.destroy();
});
