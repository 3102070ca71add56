/** Options that sockets have in the kernel, whichever driver made them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepAliveIntervalSecs, keepAliveProbes } from '../../../src/io/driver.ts';
import { drivers } from '../../support/drivers.ts';
import { connectPeer, listeningPeer } from '../../support/peer.ts';
import { type SocketOption, sendBytes, socketOption } from '../../support/socket-option.ts';
import { Rig } from '../rig.ts';

function optionsOf(localPort: number, peerPort: number) {
  const read = (option: SocketOption): number => socketOption(localPort, peerPort, option);
  if (read('keepAlive') === 0) return 'off';
  return [read('keepIdle'), read('keepInterval'), read('keepCount')];
}

for (const { kind, createDriver } of drivers) {
  test(`${kind}: keep-alive probes start after the idle time, at an interval and a count that are the same everywhere`, async t => {
    const rig = new Rig(createDriver);
    try {
      const expected = [123, keepAliveIntervalSecs, keepAliveProbes];
      const { client, port } = await rig.accept(t, { socket: { keepAliveSecs: 123 } });
      assert.deepEqual(optionsOf(port, client.socket.localPort as number), expected);
      const upstream = await listeningPeer(t);
      const socket = rig.driver.connect({ ip: '127.0.0.1', port: upstream.port }, { keepAliveSecs: 123 });
      rig.open.add(socket);
      const server = await upstream.next();
      await rig.event(socket, 'connected');
      // The native drivers set it in the first turn after a second.
      rig.driver.wakeAt(rig.driver.now() + 1_001);
      const options = () => optionsOf(server.socket.remotePort as number, upstream.port);
      await rig.until(() => options() !== 'off', 'keep-alive of the connection');
      assert.deepEqual(options(), expected);
    } finally {
      await rig.finish();
    }
  });

  test(`${kind}: keep-alive of a listener that listens is changed for connections accepted later, and turned off`, async t => {
    const rig = new Rig(createDriver);
    try {
      const { listener, port } = await rig.listening({ socket: { keepAliveSecs: 50 } });
      for (const [keepAliveSecs, expected] of [
        [70, [70, keepAliveIntervalSecs, keepAliveProbes]],
        [0, 'off'],
      ] as const) {
        rig.driver.adjust(listener, { backlog: 128, socket: { keepAliveSecs } });
        const client = await connectPeer(t, port);
        const before = rig.heard(listener).accepted.length;
        await rig.until(() => rig.heard(listener).accepted.length > before - 1, 'the connection');
        await rig.settle();
        assert.deepEqual(optionsOf(port, client.socket.localPort as number), expected);
      }
    } finally {
      await rig.finish();
    }
  });
}

// Node has no way to keep them: the portable driver loses them.
for (const { kind, createDriver } of drivers.filter(driver => driver.kind !== 'portable')) {
  test(`${kind}: an urgent byte arrives in its place in the stream`, async t => {
    const rig = new Rig(createDriver);
    try {
      const { socket, client } = await rig.accept(t);
      rig.heard(socket).sink = 'keep';
      rig.driver.reading(socket, true);
      for (const [bytes, isUrgent] of [
        ['ab', false],
        ['!', true],
        ['cd', false],
      ] as const)
        sendBytes(client.socket, bytes, isUrgent);
      await rig.until(() => rig.heard(socket).received === 5, 'all bytes');
      const chunks = rig
        .heard(socket)
        .kept.map(({ buffer, offset, length }) =>
          Buffer.from(rig.driver.bytes(buffer).subarray(offset, offset + length)).toString(),
        );
      assert.equal(chunks.join(''), 'ab!cd');
    } finally {
      await rig.finish();
    }
  });
}
