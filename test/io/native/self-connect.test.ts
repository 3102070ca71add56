/** TCP lets a socket connect to itself, where the system gives it the very port it connects to: then nothing listens there. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { constants } from 'node:os';
import { test } from 'node:test';
import { libc } from '../../../src/io/native/kernel/libc.ts';
import { mapMemory } from '../../../src/io/native/kernel/memory.ts';
import { writeSockaddr } from '../../../src/io/native/kernel/sockaddr.ts';
import { drivers } from '../../support/drivers.ts';
import { freePort } from '../../support/ports.ts';
import { Rig } from '../rig.ts';

for (const { kind, createDriver } of drivers) {
  test(`${kind}: a socket that is connected to itself was refused, and its port is free at once`, async t => {
    const rig = new Rig(createDriver);
    try {
      const port = await freePort();
      const address = { ip: '127.0.0.1', port };
      const memory = mapMemory(32);
      const length = writeSockaddr(memory, address);
      const openSocket = libc.socket;
      t.mock.method(libc, 'socket', (...args: Parameters<typeof openSocket>) => {
        const fd = openSocket(...args);
        assert.equal(libc.bind(fd, memory.pointer, length), 0);
        return fd;
      });
      const connect = net.connect;
      t.mock.method(net, 'connect', (options: net.NetConnectOpts) => connect({ ...options, localPort: port } as never));
      const socket = rig.connect(port);
      t.mock.restoreAll();
      assert.equal((await rig.event(socket, 'failed')).errno, constants.errno.ECONNREFUSED);
      await rig.close(socket);
      assert.deepEqual(rig.heard(socket).events, ['failed', 'closed']);
      await rig.listening({ port });
    } finally {
      await rig.finish();
    }
  });
}
