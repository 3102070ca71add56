/** A client that has to say who it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { namerdHttpConfig } from '../../../src/clients/namerd/http-config.ts';
import { namerdToken } from '../../../src/clients/namerd/token.ts';
import { SharedClients } from '../../../src/clients/shared-clients.ts';
import { namerdHttpInterpreter } from '../../../src/interpreters/namerd-http-kind.ts';
import { Access, digestOf } from '../../../src/namerd/access/access.ts';
import { startRig } from '../../namerd/rig.ts';
import { fakeDns, recordedLog } from '../../support/naming.ts';
import type { Scope } from '../../support/scope.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/waiting.ts';
import { changes, interpreterOf, leavesOf, observe, shown, shownAddr, treeOf } from './setup.ts';

const secret = (n: number) => `secret-${n}-0123456789`;

/** A namerd where `default` may be read with secret 1. */
async function guarded(t: Scope) {
  const access = new Access({
    anonymous: 'none',
    tokens: [
      { name: 'admin', read: [], write: ['*'] },
      { name: 'proxy', read: ['default'], write: [] },
      { name: 'other', read: ['elsewhere'], write: [] },
    ],
  });
  access.accept('admin', [digestOf(secret(0))]);
  access.accept('proxy', [digestOf(secret(1))]);
  access.accept('other', [digestOf(secret(3))]);
  const rig = await startRig(t, { api: { access } });
  const put = (dtab: string) => {
    const headers = { 'content-type': 'application/dtab', authorization: `Bearer ${secret(0)}` };
    return rig.ask('PUT', 'dtabs/default', headers, dtab);
  };
  await put('/svc => /$/inet/127.1/80');
  return { ...rig, access, put };
}

test('trees and addresses come with the token, explanations too', async t => {
  const { url } = await guarded(t);
  const { bind, interpreter, log } = interpreterOf(t, url, { token: async () => secret(1) });
  const tree = bind('/svc');
  const [leaf] = leavesOf(await treeOf(tree));
  await observe(t, leaf.addr).first(addr => shownAddr(addr) === '127.0.0.1:80');
  assert.equal((await interpreter.delegate([], ['svc'])).type, 'delegate');
  assert.deepEqual(log.lines, []);
});

test('without a token, or with one that is not known, the reason says what to do, once for all names', async t => {
  const { url } = await guarded(t);
  for (const [token, hint] of [
    [undefined, 'give the interpreter a token, or a tokenFile'],
    [async () => secret(2), 'namerd does not know the token: see token or tokenFile'],
    [async () => secret(3), 'grant the token more rights in the configuration of namerd'],
  ] as const) {
    const { bind, log } = interpreterOf(t, url, { token });
    const trees = [bind('/svc'), bind('/svc/a'), bind('/b')];
    for (const tree of trees) await tree.first(state => state.state === 'failed' && state.error.message.endsWith(hint));
    assert.equal(log.lines.length, 1, log.lines.join('\n'));
    assert.match(
      log.lines[0],
      /^warn http:\S+ denied access with status 40[13]: .*; names keep their last known addresses/,
    );
    assert.ok(!log.lines[0].includes('0123456789'));
    for (const tree of trees) tree.stop();
  }
});

test('a token is in no message, whatever an answer repeats', async t => {
  const server = createServer((request, response) => {
    response.statusCode = 403;
    response.end(`no ${request.headers.authorization}`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { bind, log } = interpreterOf(t, url, { token: async () => secret(1) });
  await bind('/svc').first(state => state.state === 'failed' && /: no Bearer \(hidden\); /.test(state.error.message));
  assert.ok(!log.lines.join().includes('0123456789'));
});

test('a token that stops being good changes nothing for names that are known, and the next one is used', async t => {
  const { url, access, put } = await guarded(t);
  let token = secret(1);
  const { bind, log } = interpreterOf(t, url, { token: async () => token });
  const tree = bind('/svc');
  await treeOf(tree);
  access.accept('proxy', [digestOf(secret(2))]);
  await tree.first(state => state.state === 'ok' && /denied access with status 401/.test(String(state.unconfirmed)));
  token = secret(2);
  await put('/svc => /$/inet/127.1/81');
  await tree.first(state => shown(state) === '/$/inet/127.1/81');
  assert.deepEqual(changes(tree.seen, shown), ['pending', '/$/inet/127.1/80', '/$/inet/127.1/81']);
  await until(() => log.lines.length === 2, 'the good news');
  assert.match(log.lines[1], /^info namerd at http:\S+ recovered$/);
});

test('a file is read for each request; its first line is the token; a bad one changes nothing', async t => {
  const folder = tempDir(t);
  const tokenFile = folder.write('proxy.token', `\n ${secret(1)} \n${secret(2)}\n`);
  const log = recordedLog();
  const token = namerdToken({ tokenFile }, log)!;
  assert.equal(await token(), secret(1));
  folder.write('proxy.token', secret(3));
  assert.equal(await token(), secret(3));
  for (const bad of ['', 'short', `${secret(3)} ü`]) {
    folder.write('proxy.token', bad);
    assert.equal(await token(), secret(3));
  }
  folder.remove('proxy.token');
  assert.equal(await token(), secret(3));
  assert.deepEqual(log.lines, [`warn: ${tokenFile} cannot be used; the last good token is still sent to namerd`]);
  folder.write('proxy.token', secret(4));
  assert.equal(await token(), secret(4));
  assert.deepEqual(log.lines.slice(1), [`info: ${tokenFile}: recovered`]);
});

test('a token that others could read on its way is warned of', () => {
  const saidOf = (baseUrl: string, keys: object = { token: secret(1) }) => {
    const log = recordedLog();
    const config = namerdHttpConfig.parse({ baseUrl, namespace: 'default', periodSecs: 1, ...keys });
    namerdHttpInterpreter.create(config, {
      log,
      now: Date.now,
      random: Math.random,
      dns: fakeDns(),
      clients: new SharedClients(),
      namers: [],
    });
    return log.lines;
  };
  assert.match(
    saidOf('http://namerd.example:4180')[0],
    /^warn: the token for namerd travels in clear to namerd\.example/,
  );
  assert.match(saidOf('http://127.namerd.example')[0], /in clear to 127\.namerd\.example/);
  for (const url of ['https://namerd.example', 'http://127.0.0.1:4180', 'http://localhost:4180', 'http://[::1]:4180'])
    assert.deepEqual(saidOf(url), [], url);
  assert.deepEqual(saidOf('http://namerd.example:4180', {}), []);
});

test('the kind takes token or tokenFile, not both, and says what is wrong with either without telling it', t => {
  const folder = tempDir(t);
  const base = { baseUrl: 'http://127.0.0.1:1', namespace: 'default', periodSecs: 1 };
  const problems = (keys: object) => namerdHttpConfig.safeParse({ ...base, ...keys }).error?.issues ?? [];
  const said = (keys: object) => problems(keys).map(({ path, message }) => `${path.join('.')} ${message}`);
  assert.deepEqual(said({ token: secret(1) }), []);
  assert.deepEqual(said({ token: secret(1), tokenFile: 'x' }), ['token cannot be combined with tokenFile']);
  assert.match(said({ token: 'short' })[0], /^token is too short/);
  assert.match(said({ token: 1234 })[0], /^token is no text/);
  const create = (tokenFile: string) =>
    namerdHttpInterpreter.create(namerdHttpConfig.parse({ ...base, tokenFile }), {
      log: recordedLog(),
      now: Date.now,
      random: Math.random,
      dns: fakeDns(),
      clients: new SharedClients(),
      namers: [],
    });
  assert.throws(() => create(`${folder.path}/none`), { code: 'CONFIG_UNREADABLE' });
  assert.throws(() => create(folder.write('bad', 'hunter2')), {
    code: 'CONFIG_UNREADABLE',
    message: /cannot read \S+bad: the token on line 1 is too short/,
  });
});
