/** The fake API server answers as a real one did (transcripts/kubernetes): statuses, types of content, bodies, and watches. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type FakeKubernetes, startKubernetes, tooManyRequests } from './fake-kubernetes.ts';

interface Transcript {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly status: number;
  readonly contentType: string;
  readonly answer: string;
}

function transcript(name: string): Transcript {
  const file = join(import.meta.dirname, 'transcripts/kubernetes', `${name}.txt`);
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map(line => line.replace(/^\d\d:\d\d:\d\d\.\d+ /, '').trimEnd())
    .filter(line => !line.startsWith('(curl ended'));
  const sent = lines.filter(line => line.startsWith('> ')).map(line => line.slice(2));
  const head = lines.findIndex(line => line.startsWith('HTTP/'));
  const end = lines.indexOf('', head);
  const [method = 'GET', path = '/'] = sent[0]?.split(' ') ?? [];
  const type = lines.slice(head, end).find(line => /^content-type: /i.test(line));
  return {
    method,
    path,
    body: sent.slice(1).join('\n'),
    status: Number(lines[head]!.split(' ')[1]),
    contentType: type!.replace(/^content-type: /i, '').trim(),
    answer: lines.slice(end + 1).join('\n'),
  };
}

/** What differs from one object to the next. */
const varying = {
  uid: 'a uid',
  resourceVersion: 'a version',
  creationTimestamp: 'a time',
  deletionTimestamp: 'a time',
};

function normal(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return text.trim();
  const words = text
    .replace(/in record \([^)]*\)/, 'in record (…)')
    .replace(/too old resource version: 1 \(\d+\)/, 'too old');
  const value = JSON.parse(words, (key, each) => (key in varying ? varying[key as keyof typeof varying] : each));
  delete value.metadata?.managedFields;
  delete value.object?.metadata?.managedFields;
  return value;
}

function ask(server: FakeKubernetes, { method, path, body }: Transcript, token = 'known') {
  return new Promise<Pick<Transcript, 'status' | 'contentType' | 'answer'>>((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const sent = request({ host: '127.0.0.1', port: server.port, method, path, headers }, response => {
      let answer = '';
      response.setEncoding('utf8').on('data', chunk => {
        answer += chunk;
      });
      response
        .on('error', reject)
        .on('end', () =>
          resolve({ status: response.statusCode!, contentType: response.headers['content-type']!, answer }),
        );
    });
    sent.on('error', reject).end(body);
  });
}

async function running(t: TestContext): Promise<FakeKubernetes> {
  const server = await startKubernetes(t);
  server.tokens = ['known'];
  return server;
}

const dentries = (dst: string) => [{ prefix: '/a', dst }];
const withTr = (server: FakeKubernetes) =>
  server.objects.create('default', {
    apiVersion: 'l5d.io/v1alpha1',
    kind: 'DTab',
    metadata: { name: 'tr' },
    dentries: dentries('/b'),
  });
const asItIs = (server: FakeKubernetes) => server.objects.get('tr').metadata.resourceVersion;

/** As the object was when it was deleted: replaced once, and held by a finalizer. */
const withHeldTr = (server: FakeKubernetes) => {
  const { metadata, ...rest } = withTr(server);
  const held = { ...metadata, finalizers: ['h1.x/y'] };
  server.objects.replace('tr', { ...rest, metadata: held, dentries: dentries('/c') });
};

const cases: Readonly<Record<string, (server: FakeKubernetes) => unknown>> = {
  dtab_create: () => {},
  dtab_get: withTr,
  dtab_put_same: withTr,
  dtab_delete: server => server.objects.create('default', { metadata: { name: 'tr9' }, dentries: [] }),
  dtab_delete_held: withHeldTr,
  dtab_delete_held_again: server => {
    withHeldTr(server);
    server.objects.delete('tr');
  },
  dtab_list_ns_missing: () => {},
  ep_watch_410_rv1: server => server.objects.compact(),
  err_400_body: () => {},
  err_401: server => {
    server.tokens = ['another'];
  },
  err_403_dtab_create: server => server.forbidden.add('create'),
  err_404_delete: () => {},
  err_404_ns_create: () => {},
  err_404_plural: () => {},
  err_404_put: () => {},
  err_404_resource: () => {},
  err_409_being_deleted: server => {
    withHeldTr(server);
    server.objects.delete('tr');
  },
  err_409_conflict: withTr,
  err_409_delete_garbage: withTr,
  err_409_delete_rv: withTr,
  err_409_delete_uid: withTr,
  err_409_exists: withTr,
  err_422: withTr,
  err_422_name: () => {},
  err_429: server => {
    server.instead = (_verb, response) => tooManyRequests(response);
  },
  err_create_with_rv: () => {},
  err_put_garbage_rv: withTr,
  err_put_name: withTr,
  err_put_no_rv: withTr,
};

for (const [name, prepare] of Object.entries(cases))
  test(`the fake API server answers as the real one in ${name}`, async t => {
    const server = await running(t);
    prepare(server);
    const recorded = transcript(name);
    // Where the real server had that object at version 1377, the fake one has it at another.
    const body = server.objects.has('tr') ? recorded.body.replace('"1377"', `"${asItIs(server)}"`) : recorded.body;
    const path = recorded.path.replace('/api/v1/namespaces/tnsb/endpoints', collection);
    const answered = await ask(server, { ...recorded, path, body });
    assert.equal(answered.status, recorded.status);
    assert.equal(answered.contentType, recorded.contentType);
    const shown = (text: string) => JSON.stringify(normal(text)).replace('reader-user', user);
    assert.deepEqual(JSON.parse(shown(answered.answer)), JSON.parse(shown(recorded.answer)));
  });

const collection = '/apis/l5d.io/v1alpha1/namespaces/default/dtabs';
const user = 'system:serviceaccount:default:namerd';

test('the fake API server watches as the real one: changes, deletions, a bookmark with nothing but a version', async t => {
  const server = await running(t);
  withTr(server);
  const recorded = transcript('dtab_watch');
  const path = recorded.path.replace('resourceVersion=1377', `resourceVersion=${asItIs(server)}`);
  const watch = ask(server, { ...recorded, path: path.replace('timeoutSeconds=6', 'timeoutSeconds=3') });
  await server.until(({ watches }) => watches === 1);
  const { metadata, ...rest } = server.objects.get('tr');
  const held = server.objects.replace('tr', {
    ...rest,
    metadata: { ...metadata, finalizers: ['h1.x/y'] },
    dentries: dentries('/c'),
  });
  const deleted = server.objects.delete('tr')!;
  assert.notEqual(held.metadata.resourceVersion, deleted.metadata.resourceVersion);
  server.objects.replace('tr', { ...deleted, metadata: { ...deleted.metadata, finalizers: [] } });
  server.objects.create('default', {
    apiVersion: 'l5d.io/v1alpha1',
    kind: 'DTab',
    metadata: { name: 'tr9' },
    dentries: dentries('/b'),
  });
  server.objects.delete('tr9');
  const { status, answer } = await watch;
  assert.equal(status, 200);
  const events = (text: string) => text.split('\n').filter(Boolean).map(normal);
  const [seen, expected] = [events(answer), events(recorded.answer)];
  // Sometimes there are two.
  assert.deepEqual(seen.at(-1), seen.at(-2));
  assert.deepEqual(seen.slice(0, -1), expected);
});

test('a watch of the fake API server from a version that is still to come is silent, and ends as asked', async t => {
  const server = await running(t);
  const path = `${collection}?watch=1&resourceVersion=99999999&timeoutSeconds=1`;
  const watch = ask(server, { ...transcript('dtab_get'), path });
  await server.until(({ watches }) => watches === 1);
  withTr(server);
  assert.deepEqual(await watch, { status: 200, contentType: 'application/json', answer: '' });
});
