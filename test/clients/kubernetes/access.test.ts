/** Who we are to Kubernetes: service accounts whose tokens change, kubeconfig files, and which of them is meant. */
import assert from 'node:assert/strict';
import { chmodSync, symlinkSync, unlinkSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { z } from 'zod';
import { beforeDeadline } from '../../../src/clients/http/deadline.ts';
import { type Access, serviceAccountAccess } from '../../../src/clients/kubernetes/access.ts';
import { KubernetesApi } from '../../../src/clients/kubernetes/api.ts';
import { ApiError } from '../../../src/clients/kubernetes/api-error.ts';
import {
  accessFor,
  checkKubernetesKeys,
  type KubernetesKeys,
  kubernetesKeys,
} from '../../../src/clients/kubernetes/config.ts';
import { load } from '../../../src/config/load.ts';
import { createAuthority } from '../../support/certificates.ts';
import { startKubernetes } from '../../support/fake-kubernetes.ts';
import { recordedLog } from '../../support/naming.ts';
import type { Scope } from '../../support/scope.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/waiting.ts';

/** What was imported of the client library since this file began. */
const imported: string[] = [];
registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('@kubernetes/')) imported.push(specifier);
    return next(specifier, context);
  },
});

const path = '/apis/l5d.io/v1alpha1/namespaces/default/dtabs';

function client(t: Scope, access: Access) {
  const api = new KubernetesApi(access);
  t.after(() => api.close());
  return { list: () => beforeDeadline(15_000, signal => api.call({ method: 'GET', path }, signal)) };
}

const keysOf = (text: string): KubernetesKeys =>
  load({
    program: 'namerd',
    file: 'namerd.yml',
    text,
    schema: z.strictObject(kubernetesKeys).superRefine(checkKubernetesKeys),
  });

const isUnauthorized = (error: unknown) => error instanceof ApiError && error.status === 401;

/** With a log that says nothing. */
const accessOf = (keys: KubernetesKeys, env: NodeJS.ProcessEnv) =>
  accessFor(keys, { log: recordedLog(), settleMs: 1 }, env);

test('the token of a service account is read for every request, and its authority is followed', async t => {
  const [authority, next] = [createAuthority(t, 'one'), createAuthority(t, 'two')];
  const issued = authority.issue({ ips: ['127.0.0.1'] });
  const server = await startKubernetes(t, { tls: { key: issued.key, cert: issued.chain } });
  server.tokens = ['first'];
  const folder = tempDir(t);
  folder.write('..1/token', 'first\n');
  folder.write('..1/ca.crt', authority.certificate);
  folder.write('..2/token', 'second\n');
  folder.write('..2/ca.crt', next.certificate + authority.certificate);
  folder.write('..3/token', 'second\n');
  folder.write('..3/ca.crt', next.certificate);
  // As the kubelet does it: the files are links into a folder that a link names.
  const data = join(folder.path, '..data');
  symlinkSync('..1', data);
  for (const file of ['token', 'ca.crt']) symlinkSync(join('..data', file), join(folder.path, file));
  const keys = keysOf(
    `{auth: serviceAccount, host: 127.0.0.1, port: ${server.port}, serviceAccountDir: ${folder.path}}`,
  );
  const { list } = client(t, accessOf(keys, {}));
  await list();
  server.tokens = ['second'];
  await assert.rejects(list(), isUnauthorized);
  unlinkSync(data);
  symlinkSync('..2', data);
  await list();
  unlinkSync(data);
  symlinkSync('..3', data);
  await until(
    () =>
      list().then(
        () => false,
        error => /certificate/.test(error.message),
      ),
    'the server to be distrusted',
  );
  unlinkSync(data);
  symlinkSync('..2', data);
  await until(
    () =>
      list().then(
        () => true,
        () => false,
      ),
    'the server to be trusted again',
  );
  assert.deepEqual(imported, []);
});

// It was sent as `Bearer `, and every request was refused.
test('an empty or missing token file leaves the last token in use, and the log says so once', async t => {
  const server = await startKubernetes(t);
  server.tokens = ['first'];
  const folder = tempDir(t);
  folder.write('token', 'first\n');
  folder.write('ca.crt', createAuthority(t).certificate);
  const log = recordedLog();
  const access = serviceAccountAccess(folder.path, `http://127.0.0.1:${server.port}`, { log });
  const { list } = client(t, access);
  await list();
  folder.write('token', '\n');
  await list();
  folder.remove('token');
  await list();
  assert.equal(log.lines.filter(line => line.startsWith('warn:')).length, 1, log.lines.join('\n'));
  folder.write('token', 'second\n');
  server.tokens = ['second'];
  await list();
});

test('a server of another authority, or of another name, is not spoken with', async t => {
  const [authority, other] = [createAuthority(t, 'one'), createAuthority(t, 'two')];
  const issued = authority.issue({ names: ['kubernetes.default.svc'] });
  const server = await startKubernetes(t, { tls: { key: issued.key, cert: issued.chain } });
  const at = `host: 127.0.0.1, port: ${server.port}`;
  const listed = (tls: string) => client(t, accessOf(keysOf(`{${at}, tls: ${tls}}`), {})).list();
  await assert.rejects(listed(`{trustCerts: [${authority.file}]}`), /altnames/);
  await assert.rejects(listed(`{trustCerts: [${other.file}], commonName: kubernetes.default.svc}`), /certificate/);
  await listed(`{trustCerts: [${authority.file}], commonName: kubernetes.default.svc}`);
  assert.equal(server.requests.length, 1);
});

test('a kubeconfig says where and who, by its context; programs that give tokens are asked again when one is refused', async t => {
  const authority = createAuthority(t);
  const issued = authority.issue({ ips: ['127.0.0.1'] });
  const server = await startKubernetes(t, { tls: { key: issued.key, cert: issued.chain } });
  server.tokens = ['static', 'from-program-1'];
  const folder = tempDir(t);
  const program = folder.write(
    'give-token',
    `#!/bin/sh\ncd ${folder.path}; echo x >> runs; n=$(wc -l < runs)\necho '{"kind":"ExecCredential","status":{"token":"from-program-'$n'"}}'\n`,
  );
  chmodSync(program, 0o700);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: program, interactiveMode: 'Never' };
  const file = folder.write(
    'config',
    stringify({
      clusters: [
        { name: 'c', cluster: { server: `https://127.0.0.1:${server.port}`, 'certificate-authority': authority.file } },
      ],
      users: [
        { name: 'static', user: { token: 'static' } },
        { name: 'program', user: { exec } },
      ],
      contexts: [
        { name: 'one', context: { cluster: 'c', user: 'static' } },
        { name: 'two', context: { cluster: 'c', user: 'program' } },
      ],
      'current-context': 'one',
    }),
  );
  const access = accessOf(keysOf(`{kubeconfig: ${file}}`), {});
  assert.deepEqual(imported, [], 'the library is loaded by the first request');
  await client(t, access).list();
  assert.deepEqual(imported, ['@kubernetes/client-node']);
  const { list } = client(t, accessOf(keysOf('{context: two}'), { KUBECONFIG: file }));
  await list();
  await list();
  server.tokens = ['from-program-2'];
  await assert.rejects(list(), isUnauthorized);
  await list();
  await assert.rejects(client(t, accessOf(keysOf('{context: three}'), { KUBECONFIG: file })).list(), {
    message: `kubeconfig ${file}, context three cannot be used: there is no context three; there are: one, two`,
  });
});

test('a kubeconfig with plain HTTP, a path, a password; and one that is none', async t => {
  const server = await startKubernetes(t);
  const folder = tempDir(t);
  const write = (cluster: object, user: object) =>
    folder.write(
      'config',
      stringify({
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
  const listed = () => client(t, accessOf(keysOf('{auth: kubeconfig}'), { HOME: folder.path })).list();
  folder.write('.kube/config', '');
  await assert.rejects(listed(), /^Error: kubeconfig \S+\.kube\/config cannot be used: /);
  const at = `http://127.0.0.1:${server.port}`;
  const file = write({ server: `${at}/k8s/clusters/c-1/` }, { username: 'me', password: 'secret' });
  const api = client(t, accessOf(keysOf(`{kubeconfig: ${file}}`), {}));
  await assert.rejects(api.list(), /404 page not found/);
  assert.deepEqual(server.requests, [`list /k8s/clusters/c-1${path}`]);
  write({ server: at, 'proxy-url': 'socks5://127.0.0.1:1' }, {});
  await assert.rejects(client(t, accessOf(keysOf(`{kubeconfig: ${file}}`), {})).list(), /proxy-url is not supported/);
});

test('what is configured, and where we are, says which way is meant', t => {
  const folder = tempDir(t);
  const file = folder.write('config', '');
  folder.write('token', 'x');
  folder.write('ca.crt', createAuthority(t).certificate);
  const pod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  const where = (text: string, env = {}) => accessOf(keysOf(text), env).where;
  assert.equal(where('{}'), 'http://localhost:8001');
  assert.equal(where('{port: 9}', pod), 'http://localhost:9');
  assert.equal(where('{host: "::1", tls: {}}', pod), 'https://[::1]:8001');
  assert.equal(where(`{serviceAccountDir: ${folder.path}}`, pod), 'https://[fd00::1]:6443');
  assert.equal(where(`{serviceAccountDir: ${folder.path}, host: api.example.com}`), 'https://api.example.com');
  assert.equal(where(`{kubeconfig: ${file}, context: c}`, pod), `kubeconfig ${file}, context c`);
});

test('what is missing is said at once, and what to do about it', t => {
  const folder = tempDir(t);
  assert.throws(
    () => accessOf(keysOf('{auth: serviceAccount, host: x}'), {}),
    /cannot read \/var\/run\/secrets.*token/,
  );
  assert.throws(
    () => accessOf(keysOf(`{serviceAccountDir: ${folder.path}}`), {}),
    /SERVICE_HOST is not set.*set host and/,
  );
  assert.throws(() => accessOf(keysOf('{auth: kubeconfig}'), { HOME: folder.path }), /cannot read .*\.kube\/config/);
  assert.match(accessOf(keysOf('{}'), {}).advice!, /run kubectl proxy, or set host and port, or auth: kubeconfig/);
});

test('keys that do not go together are reported with their places', () => {
  const problems = (text: string) => {
    try {
      keysOf(text);
      return [];
    } catch (error) {
      return (error as Error).message
        .split('\n')
        .slice(1)
        .map(line => line.trim());
    }
  };
  assert.match(
    problems('{auth: proxy, context: c}')[0]!,
    /:1:\d+ +context: goes with auth: kubeconfig, here it is proxy/,
  );
  assert.match(
    problems('{kubeconfig: k, tls: {}}')[0]!,
    /tls: goes with auth: proxy, here the other keys mean kubeconfig/,
  );
  assert.match(problems('{kubeconfig: k, port: 1}')[0]!, /port: stands in the kubeconfig; remove it here/);
  assert.match(problems('{host: "http://x"}')[0]!, /host: expected a host name or an address, without scheme/);
  assert.match(problems('{host: "a:1"}')[0]!, /host: expected a host name/);
  assert.match(problems('{port: 0}')[0]!, /port: expected a port/);
});
