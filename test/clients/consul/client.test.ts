/** The client of Consul's HTTP API: what it sends, what it makes of the answers, and what it never says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { ConsulClient, type ConsulClientOptions } from '../../../src/clients/consul/client.ts';
import { consulClient } from '../../../src/clients/consul/config.ts';
import { ConsulFailure } from '../../../src/clients/consul/failure.ts';
import { createAuthority } from '../../support/certificates.ts';
import { FakeConsul, type FakeConsulOptions } from '../../support/fake-consul.ts';
import { recordedLog } from '../../support/naming.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until, within } from '../../support/waiting.ts';

async function consul(t: TestContext, options: FakeConsulOptions = {}): Promise<FakeConsul> {
  const server = new FakeConsul(options);
  t.after(() => server.stop());
  await server.start();
  return server;
}

function client(t: TestContext, port: number, options: Partial<ConsulClientOptions> = {}): ConsulClient {
  const made = new ConsulClient({ origin: `http://127.0.0.1:${port}`, requestTimeoutMs: 500, ...options });
  t.after(() => made.close());
  return made;
}

/** Something that is not Consul. */
async function impostor(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function failure(promise: Promise<unknown>): Promise<ConsulFailure> {
  const error = await within(promise, 'the request to fail').then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConsulFailure, `${error}`);
  return error;
}

test('what is read comes with its index; nothing is an answer too', async t => {
  const server = await consul(t);
  const index = server.set('a/b', 'hello');
  const reader = client(t, server.port);
  const found = await reader.read({ path: 'kv/a/', query: { recurse: 'true' } });
  assert.deepEqual([found.index, found.hasLeader, found.isFiltered], [BigInt(index), true, false]);
  assert.deepEqual(found.body, [
    { Key: 'a/b', CreateIndex: index, ModifyIndex: index, LockIndex: 0, Flags: 0, Value: 'aGVsbG8=' },
  ]);
  const nothing = await reader.read({ path: 'kv/x/', query: { recurse: 'true' } });
  assert.deepEqual([nothing.index, nothing.body], [BigInt(index), undefined]);
});

test('a question that waits is answered by the next change', async t => {
  const server = await consul(t);
  const index = BigInt(server.set('a/b', 'hello'));
  const wait = { index, waitMs: 5000 };
  const asked = client(t, server.port).read({ path: 'kv/a/', query: { recurse: 'true' }, wait });
  await until(() => server.blocked() === 1, 'the question to wait');
  server.set('other/key', 'of no interest');
  assert.equal(server.blocked(), 1);
  const later = server.set('a/c', 'world');
  assert.equal((await asked).index, BigInt(later));
});

test('datacenter, consistency and token are sent with every request, the token only as a header', async t => {
  const server = await consul(t);
  const reader = client(t, server.port, { token: async () => 's3cret', datacenter: 'dc1' });
  await reader.read({ path: 'kv/a', consistency: 'stale' });
  await reader.read({ path: 'kv/a', consistency: 'consistent' });
  await reader.transact([{ Verb: 'set', Key: 'a', Value: '' }]);
  assert.deepEqual(
    server.requests().map(({ url }) => url),
    ['/v1/kv/a?stale=true&dc=dc1', '/v1/kv/a?consistent=true&dc=dc1', '/v1/txn?dc=dc1'],
  );
  assert.ok(server.requests().every(({ token }) => token === 's3cret'));
});

test('a transaction tells what it did, or which of its operations failed', async t => {
  const server = await consul(t);
  const writer = client(t, server.port);
  const done = await writer.transact([{ Verb: 'cas', Key: 'a', Value: 'eA==', Index: 0 }]);
  assert.ok('body' in done);
  const operations = [
    { Verb: 'get', Key: 'b' },
    { Verb: 'cas', Key: 'a', Value: '', Index: 3 },
  ] as const;
  assert.deepEqual(await writer.transact(operations), {
    errors: [
      { OpIndex: 0, What: 'key "b" doesn\'t exist' },
      { OpIndex: 1, What: 'failed to set key "a", index is stale' },
    ],
  });
  assert.equal(server.value('a'), 'x');
});

test('missing rights are told as such, in whichever way Consul says it', async t => {
  const server = await consul(t);
  server.setRights({ reader: { read: ['a'], write: [] } });
  for (const [token, said] of [
    ['unknown', /ACL not found/],
    ['reader', /Permission denied.*key:write/],
  ] as const) {
    const denied = await failure(
      client(t, server.port, { token: async () => token }).transact([{ Verb: 'set', Key: 'a' }]),
    );
    assert.deepEqual([denied.isForbidden, denied.outcome], [true, 'none']);
    assert.match(denied.message, said);
  }
  assert.equal((await failure(client(t, server.port).read({ path: 'kv/a' }))).isForbidden, true);
});

test('what is certain to have had no effect is told from what is not', async t => {
  const server = await consul(t);
  const writer = client(t, server.port);
  const write = async () => (await failure(writer.transact([{ Verb: 'set', Key: 'a' }]))).outcome === 'none';
  server.setFault({ status: 500, body: 'No cluster leader' });
  assert.equal(await write(), true);
  server.setFault({ status: 500, body: 'rpc error making call: leadership lost while committing log' });
  assert.equal(await write(), false);
  server.setFault({ status: 413, body: 'Value is too large' });
  assert.equal(await write(), true);
  server.setFault(null);
  server.setHanging(true);
  assert.equal(await write(), false);
  await server.stop();
  assert.equal(await write(), true);
});

test('a server that is silent is given up; one that waits as it was told is not', async t => {
  const server = await consul(t);
  server.setHanging(true);
  const reader = client(t, server.port);
  assert.match((await failure(reader.read({ path: 'kv/a' }))).message, /no complete answer within 500 ms/);
  server.setHanging(false);
  const index = BigInt(server.set('a', ''));
  assert.equal((await reader.read({ path: 'kv/a', wait: { index, waitMs: 700 } })).index, index);
});

test('answers that are not those of Consul are failures: nothing is concluded from them', async t => {
  const answers: readonly [RequestListener, RegExp][] = [
    [(_, response) => response.writeHead(404).end('not found'), /404 without X-Consul-Index/],
    [(_, response) => response.writeHead(200, { 'x-consul-index': 'many' }).end('[]'), /200 without X-Consul-Index/],
    [(_, response) => response.writeHead(200, { 'x-consul-index': '5' }).end('<html>'), /not JSON/],
    [(_, response) => response.writeHead(200, { 'x-consul-index': '5' }).end('[{"Key":'), /not JSON/],
    [(_, response) => response.writeHead(302, { location: '/login' }).end(), /it answered 302/],
    [
      (_, response) => response.writeHead(502).end('<h1>\n Bad\n gateway</h1>'),
      /it answered 502: <h1> Bad gateway<\/h1>/,
    ],
    [(_, response) => response.destroy(), /it cannot be reached/],
    [
      (_, response) => response.writeHead(200, { 'content-length': 10 }).write('[1'),
      /no complete answer within 500 ms/,
    ],
    [(_, response) => endless(response), /longer than 33554432 bytes/],
  ];
  for (const [answer, said] of answers) {
    const reader = client(t, await impostor(t, answer), {
      requestTimeoutMs: said.source.includes('longer') ? 10_000 : 500,
    });
    assert.match((await failure(reader.read({ path: 'kv/a' }))).message, said);
  }
});

function endless(response: Parameters<RequestListener>[1]): void {
  const chunk = Buffer.alloc(1 << 20, ' ');
  const more = () => {
    while (!response.destroyed && response.write(chunk)) {}
  };
  response.on('drain', more);
  more();
}

test('a message never says the token, though the answer does', async t => {
  const port = await impostor(t, (request, response) =>
    response.writeHead(403).end(`token ${request.headers['x-consul-token']} is bad`),
  );
  const error = await failure(client(t, port, { token: async () => 's3cret' }).read({ path: 'kv/a' }));
  assert.match(error.message, /token \(hidden\) is bad/);
});

test('a server that is not there is told with its address', async t => {
  const server = await consul(t);
  await server.stop();
  const { message } = await failure(client(t, server.port).read({ path: 'kv/a' }));
  assert.match(message, new RegExp(`it cannot be reached: .*ECONNREFUSED 127\\.0\\.0\\.1:${server.port}`));
});

test('over https Consul must show a certificate that is trusted, for the name that is asked for', async t => {
  const authority = createAuthority(t);
  const { chain: cert, key } = authority.issue({ names: ['consul.test'] });
  const server = await consul(t, { tls: { key, cert } });
  const log = recordedLog();
  const open = (tls: object) => {
    const base = { enabled: true, disableValidation: false };
    const made = consulClient({ host: '127.0.0.1', port: server.port, tls: { ...base, ...tls } }, { log });
    t.after(() => made.close());
    return made;
  };
  const good = open({ trustCerts: [authority.file], commonName: 'consul.test' });
  assert.equal((await good.read({ path: 'kv/a' })).body, undefined);
  const untrusted = await failure(open({ commonName: 'consul.test' }).transact([{ Verb: 'set', Key: 'a' }]));
  assert.match(untrusted.message, /unable to verify|self.signed/);
  assert.equal(untrusted.outcome, 'none');
  const other = await failure(open({ trustCerts: [authority.file], commonName: 'other.test' }).read({ path: 'kv/a' }));
  assert.match(other.message, /other\.test/);
});

test('a token is read anew from its file; a file that is gone does not take the token away', async t => {
  const server = await consul(t);
  const folder = tempDir(t);
  const tokenFile = folder.write('token', 'first\n');
  const log = recordedLog();
  const reader = consulClient({ host: '127.0.0.1', port: server.port, tokenFile }, { log });
  t.after(() => reader.close());
  const sent = async () => {
    await reader.read({ path: 'kv/a' });
    return server.requests().at(-1)?.token;
  };
  assert.equal(await sent(), 'first');
  folder.write('token', 'second');
  assert.equal(await sent(), 'second');
  folder.remove('token');
  assert.deepEqual([await sent(), await sent()], ['second', 'second']);
  folder.write('token', 'two words');
  assert.equal(await sent(), 'second');
  folder.write('token', 'third\n');
  assert.equal(await sent(), 'third');
  assert.equal(log.lines.length, 2);
  assert.match(log.lines[0]!, /warn: .*token cannot be used; the last good token is still sent to Consul/);
  assert.match(log.lines[1]!, /info: .*recovered/);
});

test('a file without a token is refused at once, without its text', t => {
  const folder = tempDir(t);
  const tokenFile = folder.write('token', 'my secret\n');
  const make = (file: string) => () => consulClient({ host: 'a', port: 1, tokenFile: file }, { log: recordedLog() });
  assert.throws(make(tokenFile), (error: Error) => {
    assert.match(error.message, /may only have visible ASCII/);
    assert.doesNotMatch(error.message, /my secret/);
    return true;
  });
  assert.throws(make(`${folder.path}/none`), /no such file/);
});

test('closing cuts what is open, and leaves no connection', async t => {
  const server = await consul(t);
  const index = BigInt(server.set('a', ''));
  const reader = client(t, server.port);
  const asked = failure(reader.read({ path: 'kv/a', wait: { index, waitMs: 60_000 } }));
  await until(() => server.blocked() === 1, 'the question to wait');
  await reader.close();
  await asked;
  await until(() => server.connections() === 0, 'the connections to be closed');
  assert.match((await failure(reader.read({ path: 'kv/a' }))).message, /this client is closed/);
});

test('a thousand questions that are cut leave nothing behind', async t => {
  const server = await consul(t);
  const index = BigInt(server.set('a', ''));
  const reader = client(t, server.port);
  for (let i = 0; i < 50; i++) {
    const cut = new AbortController();
    const asked = Array.from({ length: 20 }, () =>
      failure(reader.read({ path: 'kv/a', wait: { index, waitMs: 60_000 }, signal: cut.signal })),
    );
    cut.abort(new Error('enough'));
    await Promise.all(asked);
  }
  assert.ok(server.connections() <= 20, `${server.connections()} connections`);
  await until(() => server.blocked() === 0, 'the questions to be gone');
});
