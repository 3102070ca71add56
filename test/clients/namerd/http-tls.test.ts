/** namerd over https, as a config asks for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SharedClients } from '../../../src/clients/shared-clients.ts';
import { namerdHttpInterpreter } from '../../../src/interpreters/namerd-http-kind.ts';
import { createDns } from '../../../src/naming/dns.ts';
import type { InterpreterContext } from '../../../src/naming/kinds.ts';
import { leafJson, startNamerd } from '../../support/namerd.ts';
import { type Cleanup, Logged, observe, shown, treeOf } from './setup.ts';

let folder = '';
const file = (name: string) => join(folder, name);
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

/** An authority `name`.pem, made anew for each run. */
function authority(name: string): void {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
  );
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'namerd-tls-'));
  authority('ca');
  authority('stranger');
  writeFileSync(file('names'), 'subjectAltName=DNS:namerd.test');
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=namerd',
    '-keyout',
    'namerd.key',
    '-out',
    'namerd.csr',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'namerd.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
    '-out',
    'namerd.pem',
  );
});
after(() => rmSync(folder, { recursive: true }));

const contextOf = (): InterpreterContext => ({
  log: new Logged(),
  now: Date.now,
  random: Math.random,
  dns: createDns(),
  clients: new SharedClients(),
  namers: [],
});

/** What `/svc/a` is bound to first, through a namerd with a certificate for namerd.test. */
async function boundWith(t: Cleanup, configOf: (port: number) => object): Promise<string> {
  const namerd = await startNamerd(t, {
    key: readFileSync(file('namerd.key'), 'utf8'),
    cert: readFileSync(file('namerd.pem'), 'utf8'),
  });
  namerd.setBind('default', '/svc/a', leafJson('/#/fs/a'));
  const config = namerdHttpInterpreter.config.parse(configOf(namerd.port));
  const interpreter = namerdHttpInterpreter.create(config, contextOf());
  const tree = observe(t, interpreter.bind([], ['svc', 'a']));
  return shown(await tree.first(({ state }) => state !== 'pending'));
}

test("a namerd is trusted by its authority and the name in its certificate, in Linkerd's style", async t => {
  const tls = { commonName: 'namerd.test', trustCerts: [file('ca.pem')] };
  assert.equal(await boundWith(t, port => ({ dst: `/$/inet/127.1/${port}`, tls })), '/#/fs/a');
});

test("the same in linkerd-tcp's style", async t => {
  const tls = { commonName: 'namerd.test', trustCertsBundle: file('ca.pem') };
  const rest = { namespace: 'default', periodSecs: 10, tls };
  assert.equal(await boundWith(t, port => ({ baseUrl: `https://127.0.0.1:${port}`, ...rest })), '/#/fs/a');
});

test('an unknown authority, another name and a plain-text client are refused with the reason', async t => {
  const refusal = (tls: object) => boundWith(t, port => ({ dst: `/$/inet/127.1/${port}`, tls }));
  assert.match(
    await refusal({ commonName: 'namerd.test', trustCerts: [file('stranger.pem')] }),
    /cannot reach .*certificate/,
  );
  assert.match(await refusal({ commonName: 'other.test', trustCerts: [file('ca.pem')] }), /cannot reach .*other\.test/);
  assert.match(await refusal({ enabled: false }), /^failed: cannot reach http:/);
});

test('validation can be turned off', async t => {
  assert.equal(
    await boundWith(t, port => ({ dst: `/$/inet/127.1/${port}`, tls: { disableValidation: true } })),
    '/#/fs/a',
  );
});

test('a file that cannot be read is an error of the config that names it', () => {
  const config = namerdHttpInterpreter.config.parse({
    dst: '/$/inet/4180',
    tls: { commonName: 'n', trustCerts: [file('missing.pem')] },
  });
  assert.throws(() => namerdHttpInterpreter.create(config, contextOf()), {
    code: 'TLS_UNUSABLE',
    message: /missing\.pem/,
  });
});

test('without an own namespace the default one is asked', async t => {
  const namerd = await startNamerd(t);
  const config = namerdHttpInterpreter.config.parse({ dst: `/$/inet/127.1/${namerd.port}` });
  const requests: object[] = [];
  const observer = { requestDone: (outcome: object) => void requests.push(outcome) };
  const context = { ...contextOf(), requests: observer };
  await treeOf(observe(t, namerdHttpInterpreter.create(config, context).bind([], ['svc', 'a'])));
  assert.deepEqual(namerd.requests(), ['GET /api/1/bind/default?path=%2Fsvc%2Fa&watch=1']);
  assert.equal(requests.length, 1);
});
