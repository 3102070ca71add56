import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHosts } from '../../../src/clients/dns/hosts.ts';
import { candidatesOf, parseResolvConf } from '../../../src/clients/dns/resolv-conf.ts';

test('resolv.conf: servers, search list and options are read as glibc reads them', () => {
  const text = `
# comment
nameserver 10.0.0.1 ; local
nameserver fe80::1%eth0
nameserver no-address
nameserver 10.0.0.3
nameserver 10.0.0.4
domain old.example
search a.example. b.example
options ndots:5 timeout:99 attempts:x rotate use-vc`;
  assert.deepEqual(parseResolvConf(text), {
    servers: ['10.0.0.1', 'fe80::1%eth0', '10.0.0.3'].map(ip => ({ ip, port: 53 })),
    search: ['a.example', 'b.example'],
    ndots: 5,
    timeoutMs: 30_000,
    attempts: 2,
    rotate: true,
    useTcp: true,
  });
});

test('resolv.conf: without a server the local one is asked', () =>
  assert.deepEqual(parseResolvConf('options ndots').servers, [{ ip: '127.0.0.1', port: 53 }]));

test('a name with enough dots is tried as it is first, others are completed first, and a final dot forbids both', () => {
  const conf = { search: ['ns.svc', 'svc'], ndots: 2 };
  assert.deepEqual(candidatesOf('web', conf), ['web.ns.svc', 'web.svc', 'web']);
  assert.deepEqual(candidatesOf('a.b.c', conf), ['a.b.c', 'a.b.c.ns.svc', 'a.b.c.svc']);
  assert.deepEqual(candidatesOf('web.', conf), ['web']);
});

test('hosts: a name has all addresses of all its lines, in any letter case', () => {
  const hosts = parseHosts('127.0.0.1 localhost Web # x\n::1 localhost\nbad web\n10.0.0.1\tweb web\n');
  assert.deepEqual(hosts.get('localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(hosts.get('web'), ['127.0.0.1', '10.0.0.1']);
});
