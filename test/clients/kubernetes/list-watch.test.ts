/** Following a resource of Kubernetes: pages, watches that go on from each other, and what must not be mistaken for a state. */
import assert from 'node:assert/strict';
import test, { suite, type TestContext } from 'node:test';
import { openAccess } from '../../../src/clients/kubernetes/access.ts';
import { KubernetesApi } from '../../../src/clients/kubernetes/api.ts';
import { type ListWatchOptions, listWatch } from '../../../src/clients/kubernetes/list-watch.ts';
import type { KubernetesObject } from '../../../src/clients/kubernetes/objects.ts';
import { type FakeKubernetes, respond, startKubernetes } from '../../support/fake-kubernetes.ts';
import { until, within } from '../../support/waiting.ts';

const path = '/apis/l5d.io/v1alpha1/namespaces/default/dtabs';

/** What a follower has heard of, as `name=dst`; a list replaces it all. */
class Followed {
  present = new Map<string, string>();
  lists = 0;
  events = 0;
  error: Error | undefined;
  stop: () => void = () => undefined;

  get text(): string {
    return [...this.present].map(([name, dst]) => `${name}=${dst}`).join(' ');
  }

  async shows(text: string): Promise<void> {
    await until(
      () => this.text === text && this.error === undefined,
      () => `${text}; it is ${this.text} (${this.error})`,
    );
  }

  async fails(message: RegExp): Promise<void> {
    await until(
      () => this.error,
      () => `an error like ${message}; known is ${this.text}`,
    );
    assert.match(this.error!.message, message);
  }
}

const dstOf = (object: KubernetesObject): string => (object['dentries'] as { dst: string }[])[0]!.dst;

function follow(t: TestContext, server: FakeKubernetes, options: Partial<ListWatchOptions> = {}): Followed {
  const api = new KubernetesApi(openAccess(`http://127.0.0.1:${server.port}`));
  const followed = new Followed();
  const subscription = listWatch({ api, path, random: Math.random, ...options }).subscribe({
    next: report => {
      if (report.type === 'listing') return;
      if (report.type === 'list') {
        followed.lists++;
        followed.present = new Map(report.items.map(item => [item.metadata.name, dstOf(item)]));
        return;
      }
      followed.events++;
      const { metadata } = report.object;
      if (report.type === 'deleted') followed.present.delete(metadata.name);
      else followed.present.set(metadata.name, dstOf(report.object));
    },
    error: error => {
      followed.error = error;
    },
  });
  followed.stop = () => subscription.unsubscribe();
  t.after(async () => {
    subscription.unsubscribe();
    await api.close();
  });
  return followed;
}

const named = (name: string, dst: string) => ({ metadata: { name }, dentries: [{ prefix: '/svc', dst }] });

function write(server: FakeKubernetes, name: string, dst: string): void {
  const present = server.objects.all().find(({ metadata }) => metadata.name === name);
  if (present === undefined) server.objects.create('default', named(name, dst));
  else server.objects.replace(name, { ...present, dentries: [{ prefix: '/svc', dst }] });
}

const watching = (server: FakeKubernetes, watches = 1) =>
  within(
    server.until(({ watches: open }) => open === watches),
    `${watches} watches`,
  );

const asked = (server: FakeKubernetes, verb: string) => server.requests.filter(each => each.startsWith(`${verb} `));

const queryOf = (request: string) => new URLSearchParams(request.slice(request.indexOf('?')));

test('a list comes in pages of one moment, and the watch goes on from there', async t => {
  const server = await startKubernetes(t);
  for (let i = 0; i < 7; i++) write(server, `n${i}`, `/a${i}`);
  const followed = follow(t, server, { pageSize: 3 });
  await until(() => followed.lists === 1, 'the list');
  assert.equal(followed.present.size, 7);
  assert.equal(asked(server, 'list').length, 3);
  write(server, 'n1', '/b');
  server.objects.delete('n2');
  await followed.shows('n0=/a0 n1=/b n3=/a3 n4=/a4 n5=/a5 n6=/a6');
});

test('a list whose next page has expired fails and is not taken for the whole', async t => {
  const server = await startKubernetes(t);
  for (let i = 0; i < 5; i++) write(server, `n${i}`, '/a');
  server.beforeAnswer = () => {
    server.forgetPages();
    return true;
  };
  const followed = follow(t, server, { pageSize: 2 });
  await followed.fails(/410: The provided continue parameter is too old/);
  assert.equal(followed.lists, 0);
});

for (const chunkBytes of [1, 2, 3, 7, 64])
  test(`events arrive whole in chunks of ${chunkBytes} bytes, characters of several bytes too`, async t => {
    const server = await startKubernetes(t);
    server.chunkBytes = chunkBytes;
    const followed = follow(t, server);
    await watching(server);
    write(server, 'a', '/ä€😀"\\}{][');
    write(server, 'b', '/b');
    await followed.shows('a=/ä€😀"\\}{][ b=/b');
  });

test('a server that forgets what it has just listed is not asked in a loop', async t => {
  const server = await startKubernetes(t);
  const followed = follow(t, server);
  server.beforeAnswer = () => {
    server.objects.compact();
    return true;
  };
  await followed.fails(/forgotten already what it has just listed/);
  assert.ok(server.requests.length <= 4, server.requests.join('\n'));
});

test('watches are asked to end after differing times near eight seconds', async t => {
  const server = await startKubernetes(t);
  const asks = [0, 0.5, 0.999].map(random => follow(t, server, { random: () => random }));
  await watching(server, asks.length);
  const times = asked(server, 'watch').map(each => Number(queryOf(each).get('timeoutSeconds')));
  assert.deepEqual(times.toSorted(), [7, 8, 9]);
});

const sayings: readonly [what: string, say: (server: FakeKubernetes) => void, message: RegExp][] = [
  ['a page of HTML', server => server.sendRaw('<html>bad gateway</html>\n'), /<html>bad gateway<\/html>/],
  ['an event without an object', server => server.sendRaw('{"type":"ADDED"}\n'), /ADDED has no name or no resource/],
  ['an event of no type', server => server.sendRaw('{"kind":"x"}\n'), /an event of type undefined/],
  ['a list in place of an event', server => server.sendRaw('[1]\n'), /an event of type undefined/],
  ['a document that is cut off', server => server.sendRaw('{"type":"ADDED","obj"\n}{'), /JSON|Expected/],
  [
    'an object whose version is no number',
    server => server.sendEvent('ADDED', { ...named('x', '/x'), metadata: { name: 'x', resourceVersion: 'r2' } }),
    /resourceVersion "r2" is no number, so its changes have no order/,
  ],
  [
    'an error',
    server =>
      server.sendEvent('ERROR', { kind: 'Status', code: 500, reason: 'InternalError', message: 'etcd is away' }),
    /500: etcd is away/,
  ],
  [
    'half an event and the end',
    server => {
      server.sendRaw('{"type":"ADDED","object":{"meta');
      server.endWatches();
    },
    /ended inside a document/,
  ],
  ['the end at once', server => server.endWatches(), /ended as soon as it had begun/],
  ['a reset', server => server.cutWatches(), /closed|reset|terminated|aborted/],
];

for (const [what, say, message] of sayings)
  test(`a watch that says ${what} fails, and changes nothing`, async t => {
    const server = await startKubernetes(t);
    write(server, 'a', '/a');
    const followed = follow(t, server);
    await watching(server);
    say(server);
    await followed.fails(message);
    assert.equal(followed.text, 'a=/a');
    await until(() => server.watches === 0, 'the watch to be closed');
  });

const answers: readonly [what: string, status: number, body: unknown, message: RegExp][] = [
  ['a page of HTML', 200, undefined, /is not JSON/],
  ['another document', 200, { kind: 'DTab' }, /not a list of objects/],
  ['null', 200, null, /not a list of objects/],
  [
    'an item that is no object',
    200,
    { metadata: { resourceVersion: '5' }, items: [7] },
    /no name or no resourceVersion/,
  ],
  ['a version that is no number', 200, { metadata: { resourceVersion: 'x' }, items: [] }, /"x" is no number/],
  ['a refusal in text', 502, 'no upstream', /it answered 502: no upstream/],
];

for (const [what, status, body, message] of answers)
  test(`a list that is ${what} is a failure that says so`, async t => {
    const server = await startKubernetes(t);
    server.instead = (_verb, response) =>
      body === undefined ? void response.writeHead(status).end('<html></html>') : respond(response, status, body);
    await follow(t, server).fails(message);
  });

test('an answer without end is not read to its end', async t => {
  const server = await startKubernetes(t);
  let sent = 0;
  server.instead = (_verb, response) => {
    const chunk = Buffer.alloc(2 ** 20, ' ');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) sent++;
      sent++;
      response.once('drain', more);
    };
    response.writeHead(200);
    more();
  };
  await follow(t, server, { answerMs: 10_000 }).fails(/longer than 67108864 bytes/);
  assert.ok(sent < 100, `${sent} MiB`);
});

test('who stops following leaves no connection and no timer behind, at any moment', async t => {
  const server = await startKubernetes(t);
  for (let i = 0; i < 150; i++) write(server, `n${i}`, '/a');
  const idle = process.getActiveResourcesInfo().length;
  for (let i = 0; i < 60; i++) {
    const followed = follow(t, server, { pageSize: 10 });
    if (i % 3 > 0) await until(() => server.requests.length > i, 'a request', { everyMs: 1 });
    if (i % 3 > 1) await until(() => followed.lists === 1, 'the list', { everyMs: 1 });
    followed.stop();
  }
  await until(() => server.watches === 0, 'the watches to end');
  await until(
    () => process.getActiveResourcesInfo().filter(each => each === 'Timeout').length <= idle,
    () => `the timers to end: ${process.getActiveResourcesInfo().join()}`,
  );
});

suite('as time passes', { concurrency: true }, () => {
  for (const goneAs of ['status', 'event'] as const)
    test(`a revision that the server has forgotten, told by ${goneAs}, leads to a fresh list and to no failure`, async t => {
      const server = await startKubernetes(t);
      server.goneAs = goneAs;
      server.sendsBookmarks = false;
      write(server, 'a', '/a');
      const followed = follow(t, server, { watchSeconds: 1 });
      await watching(server);
      // Lost, and then forgotten: only a list tells of it.
      server.muteWatches();
      write(server, 'a', '/b');
      server.objects.delete('a');
      write(server, 'c', '/c');
      server.objects.compact();
      await followed.shows('c=/c');
      assert.equal(followed.lists, 2);
      write(server, 'c', '/d');
      await followed.shows('c=/d');
    });

  test('a watch that ends in time goes on from the last bookmark, and nothing is listed again', async t => {
    const server = await startKubernetes(t);
    write(server, 'a', '/a');
    const followed = follow(t, server, { watchSeconds: 1 });
    await watching(server);
    const begun = server.objects.revision;
    server.objects.advance(500);
    await within(
      server.until(() => asked(server, 'watch').length === 3),
      'the third watch',
    );
    const [first, second] = asked(server, 'watch').map(queryOf);
    assert.equal(first!.get('resourceVersion'), String(begun));
    assert.equal(second!.get('resourceVersion'), String(begun + 500));
    assert.deepEqual([first!.get('allowWatchBookmarks'), first!.get('timeoutSeconds')], ['true', '1']);
    write(server, 'a', '/b');
    await followed.shows('a=/b');
    assert.equal(followed.lists, 1);
  });

  test('a server that does not end its watches is not listed anew as long as it says something', async t => {
    const server = await startKubernetes(t);
    server.endsWatches = false;
    const followed = follow(t, server, { watchSeconds: 1 });
    await watching(server);
    write(server, 'a', '/a');
    await within(
      server.until(() => asked(server, 'watch').length === 2),
      'the second watch',
    );
    write(server, 'a', '/b');
    await followed.shows('a=/b');
    assert.equal(followed.lists, 1);
  });

  test('a refusal of a watch that never comes to its end is a failure in time', async t => {
    const server = await startKubernetes(t);
    const { beforeAnswer } = server;
    server.beforeAnswer = verb => {
      server.instead = (_verb, response) => void response.writeHead(500).write('so');
      return beforeAnswer(verb);
    };
    await follow(t, server, { answerMs: 300 }).fails(/no complete answer within 300 ms/);
  });

  test('a watch that was lost on the way is followed by a list, without a failure', async t => {
    const server = await startKubernetes(t);
    server.endsWatches = false;
    write(server, 'a', '/a');
    const followed = follow(t, server, { watchSeconds: 1 });
    await followed.shows('a=/a');
    server.muteWatches();
    write(server, 'a', '/b');
    assert.equal(followed.text, 'a=/a');
    await followed.shows('a=/b');
    assert.equal(followed.lists, 2);
    assert.equal(followed.error, undefined);
    await until(() => server.connections <= 2, 'the lost connection to be closed');
  });

  test('a server that is silent is noticed: at a new watch, and at a list', async t => {
    const server = await startKubernetes(t);
    const followed = follow(t, server, { watchSeconds: 1, answerMs: 300 });
    await watching(server);
    server.pause();
    const since = performance.now();
    await followed.fails(/no complete answer within 300 ms/);
    assert.ok(performance.now() - since < 5000);
    const again = follow(t, server, { answerMs: 300 });
    await again.fails(/no complete answer within 300 ms/);
    server.resume();
  });

  test('a watch that lost an event is mended by the next list', async t => {
    const server = await startKubernetes(t);
    const followed = follow(t, server, { watchSeconds: 1, relistMs: 1500 });
    await watching(server);
    const tell = server.objects.changed;
    server.objects.changed = () => undefined;
    write(server, 'lost', '/x');
    server.objects.changed = tell;
    server.bookmark();
    await followed.shows('lost=/x');
    assert.equal(followed.events, 0);
    assert.equal(followed.error, undefined);
  });

  test('a list of an earlier state, put back from a backup, is taken as it is', async t => {
    const server = await startKubernetes(t);
    write(server, 'a', '/old');
    const backup = server.objects.backup();
    write(server, 'a', '/new');
    const followed = follow(t, server, { watchSeconds: 1, relistMs: 100 });
    await followed.shows('a=/new');
    server.objects.restore(backup);
    await followed.shows('a=/old');
  });

  test('a server that asks for patience is left alone for as long as it says', async t => {
    const server = await startKubernetes(t);
    const at: number[] = [];
    server.instead = (_verb, response) => {
      at.push(performance.now());
      server.instead = undefined;
      respond(response, 429, { kind: 'Status', message: 'too many requests' }, { 'retry-after': '1' });
    };
    const followed = follow(t, server);
    await watching(server);
    assert.equal(followed.error, undefined);
    assert.ok(performance.now() - at[0]! >= 990, `${performance.now() - at[0]!} ms`);
  });
});
