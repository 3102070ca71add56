/** The order in which namerd starts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { startNamerd } from '../../src/app/namerd.ts';
import { recordedLog } from '../support/naming.ts';

test('a start that fails because the admin port is taken has not opened the API', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const log = recordedLog();
  const text = `admin: {port: ${port}}\nstorage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController, port: 0}]\n`;
  await assert.rejects(startNamerd({ file: '<test>', text, log }), { code: 'CANNOT_LISTEN' });
  assert.ok(!log.lines.some(line => line.includes('api listening')), log.lines.join('\n'));
});

test('a namerd with only interfaces that are not served starts, and warns that no client can reach it', async t => {
  const log = recordedLog();
  const text = 'admin: {port: 0}\nstorage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.mesh}]\n';
  const namerd = await startNamerd({ file: '<test>', text, log });
  t.after(() => namerd.abort());
  const warnings = log.lines.filter(line => line.startsWith('warn:')).join('\n');
  assert.match(warnings, /io\.l5d\.mesh is not served/);
  assert.match(warnings, /no client can reach this namerd/);
});
