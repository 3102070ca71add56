/** `sni` of a server: defaults, limits, and the keys it goes with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkerdTcpError } from '../../src/errors.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { loadLinkerdTcp } from '../../src/settings/linkerd-tcp/load.ts';

const fileWith = (keys: string) => `routers:\n- label: a\n  servers: [{port: 1, ${keys}}]\n`;

const serverWith = (keys: string) =>
  loadLinkerdTcp({ file: 'edge.yml', text: fileWith(keys) }, kinds).routers[0].servers[0];

/** The lines of the report between its first and its last. */
function problemsOf(keys: string): string[] {
  try {
    serverWith(keys);
  } catch (error) {
    assert.ok(error instanceof LinkerdTcpError, String(error));
    return error.message.split('\n').slice(1, -1);
  }
  assert.fail('expected an error');
}

test('sni.route needs nothing but {sni} in dstName', () => {
  const { dstName, sni } = serverWith('dstName: "/svc/{sni}", sni: {route: true}');
  assert.equal(dstName, '/svc/{sni}');
  assert.deepEqual(sni, { route: true, helloTimeoutMs: 5_000, maxClientHelloBytes: 65_536 });
});

test('all of its keys', () => {
  const keys = 'route: true, default: /svc/other, helloTimeoutMs: 1, maxClientHelloBytes: 512';
  const { sni } = serverWith(`dstName: "/svc/{sni}.tls", sni: {${keys}}`);
  assert.deepEqual(sni, { route: true, default: '/svc/other', helloTimeoutMs: 1, maxClientHelloBytes: 512 });
});

test('without sni there is none', () => {
  assert.equal(serverWith('dstName: /svc/a').sni, undefined);
});

test('{sni} without sni, and sni without {sni}, are told at dstName', () => {
  assert.deepEqual(problemsOf('dstName: "/svc/{sni}"'), [
    '  edge.yml:3:38  routers[0].servers[0].dstName: {sni} needs the key sni beside it: sni: {route: true}, or tls',
  ]);
  assert.deepEqual(problemsOf('dstName: /svc/a, sni: {route: true}'), [
    '  edge.yml:3:32  routers[0].servers[0].dstName: expected {sni} in it, like /svc/{sni}, because sni.route asks for routing by server name',
  ]);
});

test('another variable is one problem, with its place', () => {
  assert.deepEqual(problemsOf('dstName: "/svc/{host}", sni: {route: true}'), [
    '  edge.yml:3:38  routers[0].servers[0].dstName: not a path like /svc/users: {host} is not known here; the variables are {sni}, {clientCn}, {clientSan}',
  ]);
});

test('a variable in the default, limits out of range, unknown keys and a route that is not true are refused', () => {
  const problems = problemsOf(
    'dstName: "/svc/{sni}", sni: {rout: true, default: "/svc/{sni}", helloTimeoutMs: 0, maxClientHelloBytes: 100}',
  ).map(line => line.replace(/^\s+\S+\s+routers\[0\]\.servers\[0\]\./, ''));
  assert.deepEqual(problems, [
    'sni.rout: unknown key; did you mean route?',
    "sni.default: not a path like /svc/fallback: a label character expected but '{' found",
    'sni.helloTimeoutMs: expected a whole number of milliseconds, at least 1, found 0',
    'sni.maxClientHelloBytes: expected a whole number of bytes from 512 to 131072, found 100',
  ]);
  assert.match(problemsOf('dstName: "/svc/{sni}", sni: {route: false}')[0], /sni\.route: expected true, found false/);
});

test('together with tls it is refused', () => {
  const problems = problemsOf('dstName: "/svc/{sni}", sni: {route: true}, tls: {}');
  assert.equal(problems.length, 2);
  assert.match(problems[0], /sni: not together with tls: routing by server name passes TLS on; remove one of them$/);
});
