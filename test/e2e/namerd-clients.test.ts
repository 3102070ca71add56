/** Thousands of clients of namerd come and go, in every way a client can: no watch, observation, descriptor or memory remains. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { parseExposition } from '../metrics/parse-exposition.ts';
import { inspectable, liveHeapBytes } from '../support/heap.ts';
import { memoryConfig, type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import { inParallel } from '../support/parallel.ts';
import { sized } from '../support/size.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until, within } from '../support/waiting.ts';

const clients = sized({ quick: 2_000, full: 10_000 });
const warmUp = sized({ quick: 500, full: 1_000 });
const atOnce = 100;
const names = 20;
/** Compiled code still grows a little after the warm-up; a leaked object of each client would be far more. */
const heapToleranceBytes = 1.5 * 2 ** 20;

const pathOf = (index: number): string => encodeURIComponent(`/svc/n${index % names}`);
const get = (target: string, more = ''): string => `GET /api/1/${target} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`;

/** One connection, and what it was answered. */
class Client {
  readonly socket: net.Socket;
  received = '';
  readonly closed: Promise<unknown>;
  #heard = Promise.withResolvers<void>();

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.received += text;
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
    socket.on('error', () => {});
    this.closed = new Promise(resolve => socket.once('close', resolve));
  }

  static async connect(port: number): Promise<Client> {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  async hears(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.received)) await within(this.#heard.promise, `${pattern} in ${this.received}`);
  }

  leave(): void {
    this.socket.destroy();
  }
}

interface Way {
  readonly name: string;
  readonly play: (client: Client, index: number) => Promise<void>;
}

const document = /\n\{"type":/;

const watching =
  (target: (index: number) => string, then: (client: Client) => void): Way['play'] =>
  async (client, index) => {
    client.socket.write(get(target(index)));
    await client.hears(document);
    then(client);
    await client.closed;
  };

const ways: readonly Way[] = [
  {
    name: 'watches a tree and leaves',
    play: watching(
      index => `bind/default?path=${pathOf(index)}&watch=1`,
      client => client.leave(),
    ),
  },
  {
    name: 'watches addresses and resets',
    play: watching(
      index => `resolve/default?path=${pathOf(index)}&watch=1`,
      client => client.socket.resetAndDestroy(),
    ),
  },
  {
    name: 'watches an id and closes its half',
    play: watching(
      index => `addr/default?path=${encodeURIComponent(`/#/io.l5d.fs/n${index % names}`)}&watch=1`,
      client => {
        client.socket.end();
        client.socket.once('end', () => client.leave());
      },
    ),
  },
  {
    name: 'watches with a dtab of its own and does not wait',
    play: async (client, index) => {
      const dtab = encodeURIComponent(`/own => /#/io.l5d.fs/n${index % names}`);
      await new Promise(sent => client.socket.write(get(`bind/default?path=/own&dtab=${dtab}&watch=1`), sent));
      client.leave();
    },
  },
  {
    name: 'polls twice over one connection',
    play: async (client, index) => {
      client.socket.write(get(`resolve/default?path=${pathOf(index)}`));
      await client.hears(/"addrs":\[\{/);
      client.socket.write(get(`bind/default?path=${pathOf(index)}`, 'connection: close\r\n'));
      await client.hears(/"type":"leaf"/);
      client.socket.end();
      await client.closed;
    },
  },
  {
    name: 'asks for a name that means nothing',
    play: async (client, index) => {
      client.socket.write(get(`bind/ns${index}?path=/svc/bogus${index}`, 'connection: close\r\n'));
      await client.hears(/\{"type":"neg"\}/);
      client.socket.end();
      await client.closed;
    },
  },
  {
    name: 'watches a name that means nothing',
    play: watching(
      index => `resolve/default?path=/bogus/n${index}&watch=1`,
      client => client.leave(),
    ),
  },
  {
    name: 'sends what is no request',
    play: async client => {
      client.socket.write('\x16\x03\x01\x02\x00\x01\r\n\r\n');
      await client.hears(/^HTTP\/1.1 400 /);
      client.socket.end();
      await client.closed;
    },
  },
  {
    name: 'is cut in the middle of a request',
    play: async client => {
      await new Promise(sent => client.socket.write(get('bind/default').slice(0, 20), sent));
      client.leave();
    },
  },
  {
    name: 'closes its half in the middle of a body',
    play: async client => {
      client.socket.end('PUT /api/1/dtabs/cut HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n/svc');
      await once(client.socket, 'end');
      client.leave();
      await client.closed;
    },
  },
];

async function observed({ adminUrl }: OwnNamerd): Promise<{ watches: number; observations: number }> {
  const scrape = parseExposition(await (await fetch(`${adminUrl}/metrics`)).text());
  const sum = (name: string) => scrape.get(name)!.samples.reduce((total, { value }) => total + value, 0);
  return { watches: sum('l5d:namerd:watches'), observations: sum('l5d:namerd:observations') };
}

test(`${clients} clients that come and go leave nothing behind`, async t => {
  const folder = tempDir(t);
  const files = Array.from({ length: names }, (_, i) => `disco/n${i}`);
  const discover = () => {
    for (const file of files) folder.write(file, '127.0.0.1 1000\n');
  };
  discover();
  const config = memoryConfig(0, 'namers:\n- {kind: io.l5d.fs, rootDir: disco}\n');
  const namerd = await startOwnNamerd(t, { config, folder, env: inspectable });
  const { program, apiPort } = namerd;
  const dtab = async (method: 'PUT' | 'DELETE') => {
    const rules =
      method === 'PUT' ? { headers: { 'content-type': 'application/dtab' }, body: '/svc => /#/io.l5d.fs' } : {};
    const answer = await fetch(`${namerd.url}/api/1/dtabs/default`, { method, ...rules });
    assert.equal(answer.status, 204);
  };
  const comeAndGo = (count: number) =>
    inParallel(count, atOnce, async index => {
      const way = ways[index % ways.length] as Way;
      const client = await Client.connect(apiPort);
      // `index / ways` so that each way meets each name.
      await within(way.play(client, Math.floor(index / ways.length)), `a client that ${way.name}`);
    });
  /** Names are kept for a minute; those that do not resolve only for seconds after the last request. */
  const forgotten = async () => {
    await until(async () => (await observed(namerd)).watches === 0, 'all watches to end');
    await dtab('DELETE');
    for (const file of files) folder.remove(file);
    const asked = files.flatMap((_, i) => [
      `bind/default?path=${pathOf(i)}`,
      `addr/default?path=${encodeURIComponent(`/#/io.l5d.fs/n${i}`)}`,
    ]);
    await until(async () => {
      const answers = await Promise.all(
        asked.map(async target => (await fetch(`${namerd.url}/api/1/${target}`)).text()),
      );
      return answers.every(answer => answer.trim() === '{"type":"neg"}');
    }, 'all names to mean nothing');
    await until(async () => (await observed(namerd)).observations === 0, 'all names to be given up');
  };
  const heap = () => liveHeapBytes(program, async () => {});

  await dtab('PUT');
  await comeAndGo(warmUp);
  await forgotten();
  const heapBefore = await heap();
  const descriptorsBefore = program.descriptors();

  discover();
  await dtab('PUT');
  const start = performance.now();
  await comeAndGo(clients);
  const seconds = (performance.now() - start) / 1000;
  await forgotten();
  await until(
    () => program.descriptors() <= descriptorsBefore,
    () => `${program.descriptors()} descriptors to be ${descriptorsBefore} again`,
  );
  const growth = (await heap()) - heapBefore;
  t.diagnostic(`${Math.round(clients / seconds)} clients/s, heap ${Math.round(growth / 1024)} KiB`);
  assert.ok(growth < heapToleranceBytes, `the live heap grew by ${growth} bytes`);
  assert.equal(program.exit, undefined);
});
