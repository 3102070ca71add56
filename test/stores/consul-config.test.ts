/** The keys of `io.l5d.consul`: what is accepted, and what is reported with its place. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { z } from 'zod';
import { load } from '../../src/config/load.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { storeKinds } from '../../src/settings/namerd/store-kinds.ts';
import { createStore, type StoreContext, storeConfig } from '../../src/stores/kind.ts';
import type { DtabStore } from '../../src/stores/store.ts';
import { createAuthority } from '../support/certificates.ts';
import { recordedLog } from '../support/naming.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startConsul } from './consul-setup.ts';
import { rejects } from './contract.ts';

const context: StoreContext = { log: recordedLog(), now: () => 0, random: Math.random, epochMs: () => 0 };
const schema = z.strictObject({ storage: storeConfig(storeKinds) });

function stored(t: TestContext, keys: string): DtabStore {
  const text = `storage:\n  kind: io.l5d.consul\n${keys.replace(/^(?=.)/gm, '  ')}`;
  const { storage } = load({ program: 'namerd', file: 'namerd.yml', text, schema });
  const store = createStore(storeKinds, storage, context);
  t.after(() => store.close());
  return store;
}

const dtab = parseDtab('/svc=>/a');

test("every key that Linkerd 1.x's Namerd knows is accepted", async t => {
  const consul = await startConsul(t);
  const store = stored(
    t,
    `host: 127.0.0.1
port: ${consul.port}
pathPrefix: /some/where
token: s3cret
datacenter: dc1
readConsistencyMode: consistent
writeConsistencyMode: stale
failFast: true
backoff: {kind: jittered, minMs: 10, maxMs: 100}
tls: {enabled: false, commonName: consul.test}
experimental: true
`,
  );
  await store.put('web', dtab);
  assert.equal(consul.value('some/where/web'), '/svc=>/a');
  assert.deepEqual(consul.requests(), [{ method: 'PUT', url: '/v1/txn?dc=dc1', token: 's3cret' }]);
});

test('without keys it is the agent on this machine', async t => {
  await assert.rejects(
    stored(t, '').create('b@d', dtab),
    /^LinkerdTcpError: io\.l5d\.consul \(http:\/\/localhost:8500\/namerd\/dtabs\) cannot store a namespace named b@d: /,
  );
});

test('over https the files of the config are read at start', async t => {
  const authority = createAuthority(t);
  const { chain: cert, key } = authority.issue({ names: ['consul.test'] });
  const consul = await startConsul(t, { tls: { key, cert } });
  const tls = `tls: {commonName: consul.test, trustCerts: [${authority.file}]}`;
  await stored(t, `host: 127.0.0.1\nport: ${consul.port}\n${tls}\n`).put('web', dtab);
  assert.equal(consul.value('namerd/dtabs/web'), '/svc=>/a');
  const { path } = tempDir(t);
  assert.throws(() => stored(t, `tls: {trustCerts: [${path}/none.pem]}\n`), /none\.pem.*no such file/);
  const pair = `{certPath: ${authority.file}, keyPath: ${authority.file}}`;
  assert.throws(() => stored(t, `tls: {clientAuth: ${pair}}\n`), /TLS cannot be set up: the PEM files of Consul: /);
  assert.throws(() => stored(t, `tokenFile: ${path}/none\n`), /none.*no such file/);
});

test('a Consul that is not there is a failure of the first write, not of the start', async t => {
  const consul = await startConsul(t);
  await consul.stop();
  const store = stored(t, `host: 127.0.0.1\nport: ${consul.port}\nbackoff: {kind: constant, ms: 1}\n`);
  await rejects(store.put('web', dtab), 'STORE_UNAVAILABLE');
});

test('what is wrong in the config is told with its place', t => {
  for (const [keys, said] of [
    ['hosst: a', /namerd\.yml:3:3 .*hosst: unknown key; did you mean host\?/],
    ['host: a:8500', /namerd\.yml:3:9 .*host: expected a host name or an address, without scheme/],
    ['host: ""', /namerd\.yml:3:9 .*expected a host name or an address/],
    ['port: 0', /namerd\.yml:3:9 .*expected a port/],
    ['pathPrefix: namerd/dtabs', /namerd\.yml:3:15 .*expected a path of one or more labels/],
    ['pathPrefix: /', /expected a path of one or more labels/],
    ['pathPrefix: /namerd//dtabs', /expected a path of one or more labels/],
    ['pathPrefix: /namerd/../dtabs', /expected a path of one or more labels/],
    ['readConsistencyMode: fast', /namerd\.yml:3:24 .*(default|stale|consistent)/],
    ['backoff: {kind: constant}', /namerd\.yml:3:\d+ .*ms/],
    ['backoff: {kind: jittered, minMs: 5, maxMs: 1}', /minMs must not be more than maxMs/],
    [
      'tls: {disableValidation: true, clientAuth: {certPath: a, keyPath: b}}',
      /certificate to a server that is not verified/,
    ],
    ['token: a\ntokenFile: b', /namerd\.yml:4:14 .*give token or tokenFile, not both/],
  ] as const)
    assert.throws(() => stored(t, `${keys}\n`), said, keys);
});

test('a message about a token never has any of it', t => {
  for (const token of ['"my s3cret"', '"s3cret\\n"', '[s3cret]', '{s3cret: 1}', '"s3crét"'])
    assert.throws(
      () => stored(t, `token: ${token}\n`),
      (error: Error) => {
        assert.match(error.message, /namerd\.yml:3:10 .*token/);
        assert.doesNotMatch(error.message, /s3cr/);
        return true;
      },
      token,
    );
});
