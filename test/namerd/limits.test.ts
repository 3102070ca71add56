/** Bounds on the cost of one client: bodies, long rules, connections, and the time that the event loop is blocked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { parseDtab } from '../../src/dtab/parse.ts';
import { parsingDtab } from '../../src/namerd/core/dtab-text.ts';
import { dtabReport } from '../../src/namerd/core/dtab-warnings.ts';
import { Slices } from '../../src/namerd/core/sliced.ts';
import type { Scope } from '../support/scope.ts';
import { until } from '../support/waiting.ts';
import { startRig } from './rig.ts';

const asDtab = { 'content-type': 'application/dtab' };

/** Sends raw bytes and returns all that is answered until the connection ends. */
async function raw(t: Scope, url: string, bytes: string): Promise<string> {
  const socket = connect(Number(url.split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', chunk => {
    received += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  await once(socket, 'close');
  return received;
}

test('a body that is too long is refused by its length, or once it is too long, and its connection ends', async t => {
  const rig = await startRig(t, { api: { maxBodyBytes: 100 } });
  const head = 'PUT /api/1/dtabs/tea HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/dtab\r\n';
  const byLength = await raw(t, rig.url, `${head}content-length: 101\r\n\r\n`);
  assert.match(byLength, /^HTTP\/1.1 413 /);
  assert.match(byLength, /the request body is longer than 100 bytes/);
  assert.match(byLength, /connection: close/i);
  const chunk = `40\r\n${' '.repeat(64)}\r\n`;
  assert.match(await raw(t, rig.url, `${head}transfer-encoding: chunked\r\n\r\n${chunk}${chunk}`), /^HTTP\/1.1 413 /);
});

test('all bodies together are bounded: beyond that a request is 503, and there is room again later', async t => {
  const rig = await startRig(t, { api: { maxBodiesBytes: 150, maxBodyBytes: 100 } });
  const socket = connect(Number(rig.url.split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(
    `PUT /api/1/dtabs/a HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n${' '.repeat(99)}`,
  );
  const body = `/a=>/b${' '.repeat(90)}`;
  await until(async () => (await rig.ask('PUT', 'dtabs/tea', asDtab, body)).status === 503, 'the first body to count');
  assert.equal((await rig.ask('PUT', 'dtabs/tea', asDtab, '/a=>/b')).status, 204, 'a small one fits');
  socket.destroy();
  await until(
    async () => (await rig.ask('PUT', 'dtabs/tea', asDtab, body)).status === 204,
    'the room to be free again',
  );
});

test('a rule longer than 65 536 characters is refused, as text and as JSON: it is parsed in one step', async t => {
  const rig = await startRig(t);
  const dst = Array(30_000).fill('/b').join('|');
  for (const [type, body] of [
    ['application/dtab', `/x=>/y;/a=>${dst}`],
    ['application/json', JSON.stringify([{ prefix: '/a', dst }])],
  ]) {
    const { status, text } = await rig.ask('PUT', 'dtabs/tea', { 'content-type': type }, body);
    assert.equal(status, 400);
    assert.match(text, /is longer than 65536 characters: divide it into several/);
  }
  const json = JSON.stringify({ path: '/a', dtab: `/a=>${dst}` });
  assert.equal((await rig.ask('POST', 'delegate', { 'content-type': 'application/json' }, json)).status, 400);
});

test('the answer to a long dtab with an error quotes only the place', async t => {
  const rig = await startRig(t);
  const { status, text } = await rig.ask('PUT', 'dtabs/tea', asDtab, `${'/svc/a=>/b;\n'.repeat(10_000)}/x=>`);
  assert.equal(status, 400);
  assert.ok(text.length < 500, text);
});

/** Steps of a slice that each take a bounded time; counted instead of measured, so that a busy machine changes nothing. */
async function stepsPerSlice(text: string): Promise<number> {
  let steps = 0;
  let most = 0;
  const slices = new Slices({
    sliceMs: 1000,
    // Each step is a millisecond of this clock.
    now: () => ++steps,
    later: run => {
      most = Math.max(most, steps);
      steps = 0;
      setImmediate(run);
    },
  });
  const dtab = await slices.run(parsingDtab(text));
  await slices.run(dtabReport(dtab, []));
  return most;
}

test('parsing and analysing a dtab of a megabyte takes many slices, each of which ends in time', async () => {
  for (const text of [
    '/b=>/c;'.repeat(140_000),
    Array.from({ length: 60_000 }, (_, i) => `/s${i}=>/s${i};`).join(''),
    `${`/a=>${Array(2000).fill('/b').join('|')};`.repeat(120)}`,
  ])
    assert.ok((await stepsPerSlice(text)) <= 1002);
});

test('parsing in slices makes the same dtab as parsing at once', async () => {
  const text = '# c\n/a => /b | 0.3 * (/c & ~);\n/*/x => !; /svc=>/#/io.l5d.fs;';
  assert.deepEqual(await new Slices().run(parsingDtab(text)), parseDtab(text));
});

test('other requests are answered while a large dry run is under way', async t => {
  const rig = await startRig(t);
  let isDone = false;
  const large = rig
    .ask('PUT', 'dtabs/tea?validate=true', asDtab, Array.from({ length: 40_000 }, (_, i) => `/s${i}=>/s${i};`).join(''))
    .then(answer => {
      isDone = true;
      return answer;
    });
  let answeredMeanwhile = 0;
  while (!isDone) {
    assert.equal((await rig.ask('GET', 'dtabs')).status, 200);
    if (!isDone) answeredMeanwhile++;
  }
  assert.equal((await large).status, 200);
  assert.ok(answeredMeanwhile >= 3, `${answeredMeanwhile} answers`);
});

test('a request that is not HTTP is answered in plain text, and a request of HTTP/0.9 is refused', async t => {
  const rig = await startRig(t);
  const broken = await raw(t, rig.url, 'nonsense\r\n\r\n');
  assert.match(broken, /^HTTP\/1.1 400 Bad Request\r\n/);
  assert.match(broken, /content-type: text\/plain/);
  const tooLong = await raw(t, rig.url, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
  assert.match(tooLong, /^HTTP\/1.1 431 /);
  assert.doesNotMatch(await raw(t, rig.url, 'GET /api/1/dtabs\r\n\r\n'), / 200 /);
  const twoHosts = 'GET /api/1/dtabs HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n';
  assert.match(await raw(t, rig.url, twoHosts), /^HTTP\/1.1 400 /);
});

test('a connection beyond the limit is dropped and counted', async t => {
  let dropped = 0;
  const rig = await startRig(t, {
    api: { maxWatches: 1, maxWatchesPerClient: 1, shortConnections: 1, dropped: () => dropped++ },
  });
  const sockets = Array.from({ length: 4 }, () => connect(Number(rig.url.split(':').at(-1)), '127.0.0.1'));
  for (const socket of sockets) {
    t.after(() => socket.destroy());
    socket.on('error', () => {});
  }
  await until(() => dropped === 2, 'two of four to be dropped');
});
