/** The store `io.l5d.k8s`: the contract, what goes over the wire, what others keep in the objects, and refusals. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import type { LinkerdTcpError } from '../../src/errors.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';
import { loadNamerd } from '../../src/settings/namerd/load.ts';
import { resource } from '../../src/stores/kubernetes/dtab.ts';
import type { RemoteStore } from '../../src/stores/remote-store.ts';
import { type FakeKubernetes, respond, startKubernetes, tooManyRequests } from '../support/fake-kubernetes.ts';
import { Refusal, type Stored } from '../support/fake-kubernetes-objects.ts';
import { observe } from '../support/naming.ts';
import { until, within } from '../support/waiting.ts';
import { dtabs, known, presentOf, rejects, storeContract } from './contract.ts';
import { openKubernetes } from './kubernetes-rig.ts';

async function openForContract(t: TestContext) {
  const server = await startKubernetes(t);
  const corrupt = (name: string) =>
    server.objects.has(name)
      ? edit(server, name, { dentries: null })
      : server.objects.create('default', { metadata: { name }, dentries: null });
  return { ...openKubernetes(t, server), corrupt };
}

storeContract('io.l5d.k8s', openForContract, {
  tooManyBytes: 1_600_000,
  invalidNamespace: 'a/b',
  lowerCase: true,
  upstreamWatches: store => (store as RemoteStore).watches,
  runs: 25,
});

const examples = join(import.meta.dirname, '../../examples/kubernetes');
const [first, second] = dtabs as readonly [(typeof dtabs)[0], (typeof dtabs)[0]];

/** What an operator's `kubectl edit` does to an object. */
function edit(server: FakeKubernetes, name: string, change: Readonly<Record<string, unknown>>): Stored {
  return server.objects.replace(name, { ...server.objects.get(name), ...change });
}

test('an object has its dentries at the top, and its version is the text of its resourceVersion', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const version = await store.create('web', parseDtab('/svc => 0.5*/a & 2*/b | /c ; /x/* => !'));
  const stored = server.objects.get('web');
  assert.equal(stored.kind, 'DTab');
  assert.equal(stored.apiVersion, 'l5d.io/v1alpha1');
  assert.deepEqual(stored['dentries'], [
    { prefix: '/svc', dst: '0.50*/a & 2.00*/b | /c' },
    { prefix: '/x/*', dst: '!' },
  ]);
  assert.equal(Buffer.from(version).toString(), stored.metadata.resourceVersion);
  await store.put('web', first);
  await store.delete('web');
  assert.deepEqual(server.requests, [
    'create /apis/l5d.io/v1alpha1/namespaces/default/dtabs',
    'get /apis/l5d.io/v1alpha1/namespaces/default/dtabs/web',
    'update /apis/l5d.io/v1alpha1/namespaces/default/dtabs/web',
    'get /apis/l5d.io/v1alpha1/namespaces/default/dtabs/web',
    'delete /apis/l5d.io/v1alpha1/namespaces/default/dtabs/web',
  ]);
  assert.match([...server.userAgents].join(), /^linkerd-tcp\/[\d.]+$/);
});

test('what others keep in an object survives our writes', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const annotations = { note: 'ask ops' };
  const labels = { team: 'a' };
  server.objects.create('default', {
    metadata: { name: 'web', labels, annotations, ownerReferences: [{ uid: 'x' }] },
    dentries: [{ prefix: '/svc', dst: '/old' }],
    extra: { kept: true },
  });
  await store.put('web', second);
  const { metadata, ...rest } = server.objects.get('web');
  assert.deepEqual(
    [metadata['labels'], metadata['annotations'], metadata['ownerReferences'], rest['extra']],
    [labels, annotations, [{ uid: 'x' }], { kept: true }],
  );
  // Only a write that changes nothing else leaves a mark: Kubernetes would not see it.
  await store.put('web', second);
  const marked = server.objects.get('web').metadata['annotations'] as Record<string, string>;
  assert.deepEqual(Object.keys(marked), ['note', 'l5d.io/written-again']);
});

test('names that Kubernetes has none of are refused before anything is asked', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const names = ['', 'Web', 'a_b', '-a', 'a-', 'a..b', 'a/b', '../x', 'ä', 'a b', 'a?x=1', 'a'.repeat(254), 'a.-b'];
  for (const name of names) {
    await rejects(store.create(name, first), 'STORE_NAMESPACE_INVALID');
    await rejects(store.delete(name), 'STORE_NAMESPACE_INVALID');
  }
  assert.deepEqual(server.requests, []);
  for (const name of ['a', 'a.b-c.9', '0', 'a'.repeat(253)]) await store.create(name, first);
});

test('an object without readable dentries fails alone, keeps its last good dtab and can be mended by a write', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const good = observe(t, store.observe('good'));
  const bad = observe(t, store.observe('bad'));
  const never = observe(t, store.observe('never'));
  await store.put('good', first);
  await store.put('bad', first);
  await known(bad);
  for (const [dentries, reason] of [
    [[null], /dentries\[0\] is null, not \{"prefix"/],
    [undefined, /dentries is missing, not a list/],
    [null, /dentries is null, not a list/],
    [
      [
        { prefix: '/svc', dst: '/a' },
        { prefix: '/b', dst: '/c;/d=>/e' },
      ],
      /dentries\[1\]: /,
    ],
    [[{ prefix: '/svc', dst: 7 }], /dentries\[0\] is \{"dst":7,"prefix":"\/svc"\}/],
  ] as const) {
    edit(server, 'bad', { dentries });
    const told = await bad.until(
      state => state.state === 'ok' && reason.test(state.unconfirmed?.message ?? ''),
      `${reason}`,
    );
    assert.equal((told as { unconfirmed?: LinkerdTcpError }).unconfirmed?.code, 'STORE_UNREADABLE');
    assert.equal(presentOf(bad)?.dtab, showDtab(first));
  }
  server.objects.create('default', { metadata: { name: 'never' }, dentries: 'x' });
  await never.until(({ state }) => state === 'failed', 'a failure');
  assert.equal(presentOf(good)?.dtab, showDtab(first));
  await store.put('bad', second);
  await store.put('never', second);
  assert.equal(presentOf(bad)?.dtab, showDtab(second));
  assert.equal(presentOf(never)?.dtab, showDtab(second));
});

test('two namerds see the writes of each other, and of one version one of them has the next', async t => {
  const server = await startKubernetes(t);
  const [a, b] = [openKubernetes(t, server).store, openKubernetes(t, server).store];
  const seen = observe(t, b.observe('web'));
  await known(seen);
  const version = await a.create('web', first);
  await seen.until(() => presentOf(seen)?.dtab === showDtab(first), 'the creation');
  const outcomes = await Promise.allSettled([a.update('web', first, version), b.update('web', second, version)]);
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const puts = Array.from({ length: 15 }, (_, i) => [a.put('web', parseDtab(`/a=>/${i}`)), b.put('web', first)]);
  const versions = (await Promise.all(puts.flat())).map(each => Number(Buffer.from(each).toString()));
  assert.equal(new Set(versions).size, 30, 'each write has a version of its own');
  await seen.until(
    () => presentOf(seen)?.version === Buffer.from(`${Math.max(...versions)}`).toString('hex'),
    'the last',
  );
});

test('a namespace that is deleted and made again by others meanwhile is not lost', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const seen = observe(t, store.observe('web'));
  await store.put('web', first);
  await known(seen);
  server.beforeAnswer = verb => {
    if (verb === 'delete')
      server.objects.create('default', { metadata: { name: 'web' }, dentries: [{ prefix: '/n', dst: '/m' }] });
    return true;
  };
  await store.delete('web');
  await seen.until(() => presentOf(seen)?.dtab === '/n=>/m', 'the new object');
});

test('an object that finalizers keep is gone for us, and cannot be written until it is gone', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const seen = observe(t, store.observe('web'));
  await store.put('web', first);
  const { metadata } = server.objects.get('web');
  edit(server, 'web', { metadata: { ...metadata, finalizers: ['example.com/wait'] } });
  await store.delete('web');
  assert.equal(presentOf(await known(seen)), null);
  for (const write of [store.put('web', second), store.create('web', second)])
    await assert.rejects(
      write,
      /cannot write namespace web: it was deleted, and Kubernetes keeps the object until its fin/,
    );
  await rejects(store.update('web', second, Buffer.from('1')), 'STORE_MISSING');
  await rejects(store.delete('web'), 'STORE_MISSING');
  const held = server.objects.get('web');
  edit(server, 'web', { metadata: { ...held.metadata, finalizers: [] } });
  await store.put('web', second);
  assert.equal(presentOf(seen)?.dtab, showDtab(second));
});

test('a version of bytes that are no text, or of another store, is a conflict', async t => {
  const { store } = openKubernetes(t, await startKubernetes(t));
  await store.put('web', first);
  for (const version of [Uint8Array.of(0, 255), Buffer.from('99999999999'), Buffer.from('1e3')]) {
    await rejects(store.update('web', second, version), 'STORE_CONFLICT');
    await rejects(store.delete('web', version), 'STORE_CONFLICT');
  }
});

test('what Kubernetes forbids is told with the rule that would allow it', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  for (const verb of ['list', 'create', 'update', 'delete'] as const) server.forbidden.add(verb);
  const failure = await observe(t, store.list()).until(({ state }) => state === 'failed', 'the refusal');
  const told =
    /cannot list resource "dtabs" in API group "l5d.io".* Role in namespace default must have the rule \{apiGroups: \[l5d\.io\], resources: \[dtabs\], verbs: \[get, list, watch, create, update, delete\]\}/;
  assert.match((failure as { error: Error }).error.message, told);
  await rejects(store.create('web', first), 'STORE_FORBIDDEN');
  server.forbidden.delete('create');
  await store.create('web', first);
  await rejects(store.put('web', second), 'STORE_FORBIDDEN');
  await rejects(store.delete('web'), 'STORE_FORBIDDEN');
  server.forbidden.clear();
  await known(observe(t, store.list()));
  server.tokens = ['other'];
  await assert.rejects(
    store.put('web', second),
    /answered 401: Unauthorized: it rejects the credentials; check the perm/,
  );
});

test('a 403 that no Role would change is reported without the rule: admission, and a namespace that is being deleted', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  server.objects.isTerminating = true;
  await assert.rejects(store.create('web', first), (error: LinkerdTcpError) => {
    assert.equal(error.code, 'STORE_FORBIDDEN');
    assert.match(error.message, /because it is being terminated; check/);
    return true;
  });
  server.objects.isTerminating = false;
  server.objects.admission = () => {
    throw new Refusal(403, 'Forbidden', 'admission webhook "policy.example" denied the request: no');
  };
  await assert.rejects(store.create('web', first), (error: LinkerdTcpError) => {
    assert.equal(error.code, 'STORE_FORBIDDEN');
    assert.match(error.message, /admission webhook "policy.example" denied the request: no; check/);
    return true;
  });
});

test('an object that Kubernetes refuses for its content or its size is refused for good', async t => {
  const server = await startKubernetes(t);
  const { store, log } = openKubernetes(t, server);
  for (const [code, message, expected] of [
    [422, 'DTab.l5d.io "web" is invalid: dentries: Too many', 'STORE_REJECTED'],
    [400, 'admission webhook "policy.example" denied the request: no', 'STORE_REJECTED'],
    [413, 'Request entity too large: limit is 3145728', 'STORE_TOO_LARGE'],
    [500, 'etcdserver: request is too large', 'STORE_TOO_LARGE'],
  ] as const) {
    server.objects.admission = () => {
      throw new Refusal(code, undefined, message);
    };
    await rejects(store.create('web', first), expected);
    await rejects(store.put('web', first), expected);
  }
  assert.deepEqual(log.lines, []);
});

test('an API server that has just come back may forbid what it allows later: that is a passing failure', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const seen = observe(t, store.list());
  await known(seen);
  await server.stop();
  await seen.until(state => state.state === 'ok' && state.unconfirmed !== undefined, 'the failure');
  for (const verb of ['list', 'watch', 'create'] as const) server.forbidden.add(verb);
  await server.start();
  await server.until(({ requests }) => requests.length > 3);
  await assert.rejects(store.create('web', first), (error: LinkerdTcpError) => {
    assert.equal(error.code, 'STORE_UNAVAILABLE');
    assert.match(error.message, /the API server has just come back and may not know its roles yet/);
    return true;
  });
  server.forbidden.clear();
  await store.create('web', first);
  await seen.until(state => state.state === 'ok' && state.unconfirmed === undefined, 'recovery');
});

test('a Role that allows lists and no watches is told once, and asked about less and less', async t => {
  const server = await startKubernetes(t);
  const { store, log } = openKubernetes(t, server);
  await store.put('web', first);
  server.forbidden.add('watch');
  const seen = observe(t, store.list());
  const failure = await seen.until(({ state }) => state === 'failed', 'the refusal');
  assert.match((failure as { error: Error }).error.message, /cannot watch resource "dtabs"/);
  const watches = () => server.requests.filter(each => each.startsWith('watch '));
  await until(() => watches().length > 6, 'more attempts');
  assert.equal(log.lines.length, 1, log.lines.join('\n'));
  assert.ok(seen.values.every(({ state }) => state !== 'ok'));
  server.forbidden.clear();
  await known(seen);
});

test('a missing definition is told with the command that makes it, and found once it is made', async t => {
  const server = await startKubernetes(t);
  server.hasDefinition = false;
  const { store, log } = openKubernetes(t, server);
  const seen = observe(t, store.list());
  const failure = await seen.until(({ state }) => state === 'failed', 'the failure');
  const told =
    /the resource dtabs\.l5d\.io is not defined; define it: kubectl apply -f examples\/kubernetes\/dtab-crd\.yml/;
  assert.match((failure as { error: Error }).error.message, told);
  await assert.rejects(store.put('web', first), told);
  assert.equal(log.lines.filter(line => line.startsWith('warn') && told.test(line)).length, 1, 'said once');
  server.hasDefinition = true;
  await known(seen);
  server.namespaces = ['other'];
  await assert.rejects(
    store.put('web', first),
    /there is no namespace default in Kubernetes; run: kubectl create namespace def/,
  );
});

test('a definition that drops what was written is an error, not a success', async t => {
  const server = await startKubernetes(t);
  server.objects.fields = ['spec'];
  const { store } = openKubernetes(t, server);
  await assert.rejects(
    store.create('web', first),
    /the definition of dtabs\.l5d\.io does not have its fields .*dentries is missing/,
  );
});

test('a write without an answer may have taken effect, and says so; one that was refused has not', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server, { writeMs: 300 });
  const seen = observe(t, store.observe('web'));
  await known(seen);
  server.beforeAnswer = verb => verb !== 'create';
  const unsure =
    /cannot write namespace web: no complete answer within 300 ms; the write may still take effect: read the namespace/;
  await assert.rejects(store.create('web', first), unsure);
  server.beforeAnswer = () => true;
  await seen.until(() => presentOf(seen)?.dtab === showDtab(first), 'what took effect');
  server.instead = (_verb, response) =>
    respond(response, 504, { kind: 'Status', code: 504, message: 'request timed out' });
  await assert.rejects(store.create('api', first), /504: request timed out; the write may still take effect/);
  await assert.rejects(
    store.put('web', first),
    /504: request timed out; reads go on; try again once writes work/,
    'only a read was sent',
  );
  server.instead = (_verb, response) => response.socket?.destroy();
  await assert.rejects(store.create('api', first), /may still take effect/);
  await server.stop();
  await assert.rejects(store.create('api', first), /ECONNREFUSED.*reads go on; try again/);
});

test('a write waits for a server that asks for patience, as long as there is time', async t => {
  const server = await startKubernetes(t);
  const { store } = openKubernetes(t, server);
  const busy = (retryAfter: string) => {
    server.instead = (_verb, response) => {
      server.instead = undefined;
      tooManyRequests(response, retryAfter);
    };
  };
  busy('0');
  await store.create('web', first);
  assert.equal(server.requests.length, 2);
  busy('30');
  const impatient = openKubernetes(t, server, { writeMs: 200 }).store;
  await assert.rejects(impatient.put('web', second), /the server asks to retry after 3\d s; reads go on/);
});

test('versions that are no numbers have no order: the store says so and is not wrong instead', async t => {
  const server = await startKubernetes(t);
  server.instead = (_verb, response) =>
    respond(response, 200, { metadata: { resourceVersion: 'abc' }, items: [], dentries: [] });
  const { store } = openKubernetes(t, server);
  const failure = await within(
    observe(t, store.list()).until(({ state }) => state === 'failed', 'the failure'),
    'the failure',
  );
  assert.match(
    (failure as { error: Error }).error.message,
    /resourceVersion "abc" is no number, so its changes have no/,
  );
});

test('the manifest defines what the store writes, and allows what it does', async t => {
  const manifest = readFileSync(join(examples, 'dtab-crd.yml'), 'utf8');
  const [definition, , role, binding] = parseAllDocuments(manifest).map(each => each.toJS());
  const [version] = definition.spec.versions;
  const { properties, required } = version.schema.openAPIV3Schema;
  assert.equal(definition.metadata.name, `${resource.plural}.${resource.group}`);
  assert.deepEqual(
    [definition.spec.group, version.name, definition.spec.names.plural, definition.spec.names.kind],
    [resource.group, resource.version, resource.plural, resource.kind],
  );
  const server = await startKubernetes(t);
  server.objects.fields = Object.keys(properties);
  const { store } = openKubernetes(t, server);
  await store.put('web', second);
  const stored = server.objects.get('web');
  assert.ok(required.every((key: string) => key in stored));
  const [rule] = stored['dentries'] as object[];
  assert.deepEqual(Object.keys(rule!), properties.dentries.items.required);
  await known(observe(t, store.list()));
  await store.put('web', first);
  await store.delete('web');
  const verbs = new Set(server.requests.map(each => each.slice(0, each.indexOf(' '))));
  assert.deepEqual([...verbs].toSorted(), role.rules[0].verbs.toSorted());
  assert.deepEqual([binding.roleRef.name, binding.roleRef.kind], [role.metadata.name, role.kind]);
});

test('the example of a configuration in a pod is valid', () => {
  const file = join(examples, 'namerd.yml');
  const { storage } = loadNamerd({ file, text: readFileSync(file, 'utf8') }, namerdKinds);
  assert.equal(storage.kind, 'io.l5d.k8s');
});
