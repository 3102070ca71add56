/** The two styles of the config of io.l5d.namerd.http. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namerdHttpConfig, targetOf } from '../../../src/clients/namerd/http-config.ts';

const target = (keys: object) => targetOf(namerdHttpConfig.parse(keys));

const problems = (keys: object): string[] => {
  const { success, error } = namerdHttpConfig.safeParse(keys);
  assert.equal(success, false, 'was accepted');
  return error!.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
};

const baseStyle = { baseUrl: 'http://namerd:4180', namespace: 'web', periodSecs: 20 };

test("linkerd-tcp's keys say where namerd is, and the period bounds the waits of an outage", () => {
  const {
    baseUrls: [baseUrl],
    namespace,
    periodMs,
    backoff,
    tls,
  } = target(baseStyle);
  assert.equal(baseUrl.href, 'http://namerd:4180/');
  assert.deepEqual(
    { namespace, periodMs, backoff, tls },
    { namespace: 'web', periodMs: 20_000, backoff: { baseMs: 5000, maxMs: 20_000 }, tls: undefined },
  );
  assert.deepEqual(target({ ...baseStyle, periodSecs: 2 }).backoff, { baseMs: 2000, maxMs: 2000 });
});

test("Linkerd's keys say the same with its defaults", () => {
  const {
    baseUrls: [baseUrl],
    namespace,
    periodMs,
    backoff,
  } = target({ dst: '/$/inet/namerd.example/4180' });
  assert.equal(baseUrl.href, 'http://namerd.example:4180/');
  assert.deepEqual(
    { namespace, periodMs, backoff },
    { namespace: 'default', periodMs: 10_000, backoff: { baseMs: 5000, maxMs: 600_000 } },
  );
});

test('a dst may be a port of this machine, a shortened IPv4 or an IPv6 address', () => {
  assert.equal(target({ dst: '/$/inet/4180' }).baseUrls[0].href, 'http://127.0.0.1:4180/');
  assert.equal(target({ dst: '/$/inet/127.1/4180' }).baseUrls[0].href, 'http://127.0.0.1:4180/');
  assert.equal(target({ dst: '/$/inet/::1/4180' }).baseUrls[0].href, 'http://[::1]:4180/');
});

test('a dst with tls is reached over https, unless tls is turned off', () => {
  const tls = { commonName: 'namerd', trustCerts: ['ca.pem'] };
  assert.equal(target({ dst: '/$/inet/namerd/4180', tls }).baseUrls[0].protocol, 'https:');
  const off = target({ dst: '/$/inet/namerd/4180', tls: { ...tls, enabled: false } });
  assert.equal(off.baseUrls[0].protocol, 'http:');
  assert.equal(off.tls, undefined);
});

test('a baseUrl may have a path, a trailing slash and https with its own trust', () => {
  assert.equal(target({ ...baseStyle, baseUrl: 'http://front/namerd/' }).baseUrls[0].pathname, '/namerd/');
  const secure = target({ ...baseStyle, baseUrl: 'https://namerd:4180', tls: { trustCerts: ['ca.pem'] } });
  assert.deepEqual(secure.tls?.trustCerts, ['ca.pem']);
});

test('limits have defaults and can be set in both styles', () => {
  for (const style of [baseStyle, { dst: '/$/inet/4180' }]) {
    const { requestTimeoutMs, watchIdleTimeoutMs } = target(style);
    assert.deepEqual(
      { requestTimeoutMs, watchIdleTimeoutMs },
      { requestTimeoutMs: 10_000, watchIdleTimeoutMs: 600_000 },
    );
    assert.equal(target({ ...style, requestTimeoutMs: 500, watchIdleTimeoutMs: 1000 }).requestTimeoutMs, 500);
    assert.equal(target({ ...style, retry: { baseSeconds: 1, maxSeconds: 2 } }).backoff.maxMs, 2000);
  }
});

test('mixed styles, or none, are refused with a message that names the keys', () => {
  assert.match(problems({ ...baseStyle, dst: '/$/inet/4180' })[0], /^dst cannot be combined with baseUrl/);
  assert.match(problems({ namespace: 'web' })[0], /^baseUrl is missing: give baseUrl .* or dst/);
});

test("linkerd-tcp's style needs its three keys and a period above zero", () => {
  assert.deepEqual(problems({ baseUrl: 'http://namerd:4180' }), [
    'namespace is required with baseUrl',
    'periodSecs is required with baseUrl',
  ]);
  assert.match(problems({ ...baseStyle, periodSecs: 0 })[0], /^periodSecs /);
});

test('a baseUrl that is no http URL is refused with a suggestion', () => {
  const reason = (baseUrl: string) => problems({ ...baseStyle, baseUrl })[0];
  assert.match(reason('localhost:4180'), /did you mean http:\/\/localhost:4180\?$/);
  assert.match(reason('//localhost:4180'), /did you mean http:\/\/localhost:4180\?$/);
  assert.match(reason('namerd'), /did you mean http:\/\/namerd\?$/);
  assert.match(reason('ftp://namerd'), /starts with ftp:\/\//);
  assert.match(reason('http://'), /is not a URL/);
  assert.match(reason('http://namerd:99999'), /is not a URL/);
  assert.match(reason('http://namerd/?x=1'), /query/);
  assert.match(reason('http://me:secret@namerd/'), /user name/);
});

test('a dst that is not an address is refused', () => {
  for (const dst of [
    '/#/io.l5d.fs/namerd',
    '/$/inet',
    '/$/inet/namerd',
    '/$/inet/namerd/0',
    '/$/inet/a/1/b',
    '/$/inet/a/70000',
  ])
    assert.match(problems({ dst })[0], /^dst must be \/\$\/inet\/<host>\/<port>/, dst);
  assert.match(problems({ dst: '/$/inet/a\\x2fb/1' })[0], /^dst must be/);
  assert.match(problems({ dst: 'namerd:4180' })[0], /^dst must be/);
});

test('trust that protects nothing is refused', () => {
  assert.match(problems({ ...baseStyle, tls: {} })[0], /^tls needs a baseUrl that starts with https/);
  assert.match(problems({ dst: '/$/inet/4180', tls: {} })[0], /^tls needs commonName/);
  assert.match(
    problems({ dst: '/$/inet/4180', tls: { commonName: 'n', trustCerts: ['a'], trustCertsBundle: 'b' } })[0],
    /^tls\.trustCertsBundle give trustCerts or/,
  );
  assert.match(
    problems({ dst: '/$/inet/4180', tls: { disableValidation: true, clientAuth: { certPath: 'c', keyPath: 'k' } } })[0],
    /^tls\.clientAuth would present/,
  );
});

test('a namespace must be fit for a URL, and unknown keys are refused', () => {
  assert.match(problems({ ...baseStyle, namespace: 'a?b' })[0], /^namespace may only/);
  assert.match(problems({ ...baseStyle, retry: { baseSeconds: 9, maxSeconds: 3 } })[0], /^retry baseSeconds must not/);
  assert.match(problems({ ...baseStyle, period: 3 })[0], /period/);
});

test('baseUrl and dst may be lists: of namerds that serve the same dtabs, in the order of preference', () => {
  const { baseUrls } = target({ ...baseStyle, baseUrl: ['http://a:1', 'https://b:2/x'] });
  assert.deepEqual(baseUrls.map(String), ['http://a:1/', 'https://b:2/x']);
  assert.deepEqual(target({ dst: ['/$/inet/a/1', '/$/inet/2'] }).baseUrls.map(String), [
    'http://a:1/',
    'http://127.0.0.1:2/',
  ]);
  assert.match(problems({ ...baseStyle, baseUrl: ['http://a:1', 'b:2'] })[0], /^baseUrl\.1 must start with http/);
  assert.match(problems({ dst: ['/$/inet/1', '/x'] })[0], /^dst\.1 must be \/\$\/inet/);
  assert.match(problems({ ...baseStyle, baseUrl: [] })[0], /^baseUrl /);
});
