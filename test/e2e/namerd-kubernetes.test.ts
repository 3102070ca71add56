/** Two namerds, each in its own process, with their dtabs in one (fake) Kubernetes, as service accounts over TLS. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createAuthority } from '../support/certificates.ts';
import { getDtab, isReady, putDtab, watchDtab } from '../support/dtab-requests.ts';
import { startKubernetes } from '../support/fake-kubernetes.ts';
import { type OwnNamerd, startOwnNamerd } from '../support/namerd-own.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

const dtabUrl = ({ url }: OwnNamerd) => `${url}/api/1/dtabs/web`;

/** The addresses that a name has by the dtab of `web`. */
async function resolved({ url }: OwnNamerd): Promise<string> {
  const answer = (await (await fetch(`${url}/api/1/resolve/web?path=/svc`)).json()) as { addrs: { port: number }[] };
  return answer.addrs.map(({ port }) => port).join();
}

test('two namerds on one Kubernetes: a write through one is served by the other, also after a pause, a stop and new tokens', async t => {
  const authority = createAuthority(t);
  const issued = authority.issue({ ips: ['127.0.0.1'] });
  const server = await startKubernetes(t, { tls: { key: issued.key, cert: issued.chain } });
  server.tokens = ['first'];
  const folder = tempDir(t);
  folder.write('account/token', 'first');
  folder.write('account/ca.crt', authority.certificate);
  const storage = `{kind: io.l5d.k8s, auth: serviceAccount, host: 127.0.0.1, port: ${server.port}, serviceAccountDir: account}`;
  const config = `admin: {port: 0}\nstorage: ${storage}\ninterfaces:\n- {kind: io.l5d.httpController, port: 0}\n`;
  const [a, b] = await Promise.all([startOwnNamerd(t, { folder, config }), startOwnNamerd(t, { folder, config })]);
  for (const namerd of [a, b]) await until(() => isReady(namerd), 'both to be ready');

  // A write through one is seen through the other; versions hold between them.
  assert.equal((await putDtab(dtabUrl(a), '/svc => /$/inet/127.1/1')).status, 204);
  assert.equal(await resolved(a), '1');
  await until(async () => (await resolved(b)) === '1', 'the other to follow');
  const seen = await watchDtab(t, dtabUrl(b));
  const etag = (await getDtab(dtabUrl(b))).etag!;
  assert.equal(Buffer.from(etag, 'base64').toString(), server.objects.get('web').metadata.resourceVersion);
  assert.equal((await putDtab(dtabUrl(a), '/svc => /$/inet/127.1/2', etag)).status, 204);
  assert.equal((await putDtab(dtabUrl(b), '/svc => /$/inet/127.1/3', etag)).status, 412);
  await until(() => seen.at(-1) === '/svc=>/$/inet/127.1/2', 'the watch to tell');
  const edited = server.objects.get('web');
  server.objects.replace('web', { ...edited, dentries: [{ prefix: '/svc', dst: '/$/inet/127.1/4' }] });
  await until(async () => (await resolved(a)) === '4' && (await resolved(b)) === '4', "kubectl's edit to be followed");

  // Silence, with the times of production.
  const since = performance.now();
  server.pause();
  const late = putDtab(dtabUrl(a), '/svc => /$/inet/127.1/5');
  for (const { program } of [a, b])
    await program.printed(/cannot watch its namespaces: no complete answer within 4000 ms/);
  assert.ok(performance.now() - since < 15_000, `noticed after ${performance.now() - since} ms`);
  const refused = await late;
  assert.equal(refused.status, 503);
  assert.match(
    refused.body,
    /io\.l5d\.k8s \(https:\/\/127\.0\.0\.1:\d+, namespace default\): cannot write namespace web/,
  );
  for (const namerd of [a, b]) {
    assert.equal(await resolved(namerd), '4');
    assert.equal((await fetch(dtabUrl(namerd))).status, 200);
    assert.ok(await isReady(namerd), 'what is known is served');
  }
  server.resume();
  for (const { program } of [a, b]) await program.printed(/the watch recovered/);

  // The end, and meanwhile a new token.
  await server.stop();
  assert.match((await putDtab(dtabUrl(b), '/svc => /$/inet/127.1/6')).body, /ECONNREFUSED.*reads go on/);
  assert.equal(await resolved(b), '4');
  server.tokens = ['second'];
  folder.write('account/token', 'second');
  await server.start();
  await until(
    async () => (await putDtab(dtabUrl(b), '/svc => /$/inet/127.1/7')).status === 204,
    'writes to be taken again',
  );
  assert.equal(await resolved(b), '7');
  await until(async () => (await resolved(a)) === '7', 'the other to follow again');
  assert.equal(seen.at(-1), '/svc=>/$/inet/127.1/7');
  assert.deepEqual(
    seen.filter(line => !line.startsWith('/svc=>')),
    [],
    'the watch outlived it all',
  );
  assert.equal((await fetch(dtabUrl(a), { method: 'DELETE' })).status, 204);
  await until(async () => (await fetch(dtabUrl(b))).status === 404, 'the deletion to be seen');
});
