/** A record as a line of text or JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonRecord, textRecord } from '../../src/access-log/format.ts';
import type { ConnectionRecord } from '../../src/proxy/record.ts';

const relayed: ConnectionRecord = {
  at: Date.UTC(2026, 10, 22, 12, 0, 0, 250),
  router: 'edge',
  server: '127.0.0.1:7474',
  dst: '/svc/web',
  client: '10.0.0.7:50312',
  endpoint: '10.0.1.3:8080',
  branch: '/#/io.l5d.fs/web',
  bindMs: 0.2,
  connectMs: 1.6,
  totalMs: 184.0123456,
  rx: 512,
  tx: 20480,
  retries: 1,
  serverName: null,
  tls: null,
  upstreamTls: null,
  end: '--',
  reason: null,
};

const unbound: ConnectionRecord = {
  ...relayed,
  dst: '',
  endpoint: null,
  branch: null,
  bindMs: -1,
  connectMs: -1,
  end: 'NN',
  reason: '/svc/web does not resolve: no rule "matches"',
};

test('a clean connection is one line of text', () => {
  assert.equal(
    textRecord(relayed),
    '2026-11-22T12:00:00.250Z 10.0.0.7:50312 edge/127.0.0.1:7474 /svc/web /#/io.l5d.fs/web/10.0.1.3:8080 0/2/184 512/20480 1 --\n',
  );
});

test('what is unknown is a dash, and the reason of a bad end is quoted', () => {
  assert.equal(
    textRecord(unbound),
    '2026-11-22T12:00:00.250Z 10.0.0.7:50312 edge/127.0.0.1:7474 - - -1/-1/184 512/20480 1 NN ' +
      '"/svc/web does not resolve: no rule \\"matches\\""\n',
  );
});

test('what TLS has agreed on follows the end, with the subject of the client', () => {
  const agreed = { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519', resumed: false };
  const peer = { subject: 'CN=web 1,O=Acme', names: ['spiffe://acme/web'] };
  const tls = { ...agreed, protocol: 'h2', peer };
  const upstreamTls = { ...agreed, protocol: '', peer: null };
  const line = textRecord({ ...relayed, serverName: 'a.test', tls, upstreamTls });
  const fields =
    'sni=a.test tls=TLSv1.3/TLS_AES_128_GCM_SHA256/h2 subject=CN=web\\x201,O=Acme upstream_tls=TLSv1.3/TLS_AES_128_GCM_SHA256';
  assert.ok(line.endsWith(` 1 -- ${fields}\n`), line);
  assert.deepEqual(JSON.parse(jsonRecord({ ...relayed, tls })).tls, tls);
});

test('the JSON form has every field by name', () => {
  assert.deepEqual(JSON.parse(jsonRecord(relayed)), {
    time: '2026-11-22T12:00:00.250Z',
    client: '10.0.0.7:50312',
    router: 'edge',
    server: '127.0.0.1:7474',
    dst: '/svc/web',
    branch: '/#/io.l5d.fs/web',
    endpoint: '10.0.1.3:8080',
    bindMs: 0.2,
    connectMs: 1.6,
    totalMs: 184.012,
    rxBytes: 512,
    txBytes: 20480,
    retries: 1,
    serverName: null,
    tls: null,
    upstreamTls: null,
    end: '--',
    reason: null,
  });
});

test('no name and no reason can break the line, its fields or the terminal', () => {
  const wild = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(wild, wild, wild, fc.option(wild), (router, dst, branch, reason) => {
      const record = { ...relayed, router, dst, branch, reason };
      const text = textRecord(record);
      assert.match(text, /^[^\x00-\x1f\x7f-\x9f]*\n$/);
      const end = text.lastIndexOf(reason === null ? ' --\n' : ' -- "');
      assert.equal(text.slice(0, end).split(' ').length, 8);
      const json = jsonRecord(record);
      assert.equal(json.indexOf('\n'), json.length - 1);
    }),
  );
});

test('whatever names and addresses are, a line has the same number of fields, and each name can be read back', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\\', ' ', 'x20', '"', '\n', '\u202e', '\u2028', '\x1b', 'é') });
  fc.assert(
    fc.property(text, text, text, text, (client, router, dst, branch) => {
      const line = textRecord({ ...relayed, client, router, dst, branch });
      assert.equal(line.split(' ').length, 9, line);
      assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\u2028-\u202e]/);
      const shown = line.split(' ')[3] as string;
      const read =
        shown === '-' && dst === ''
          ? ''
          : JSON.parse(
              `"${shown.replaceAll('"', '\\"').replace(/\\\\|\\x/g, one => (one === '\\x' ? '\\u00' : one))}"`,
            );
      assert.equal(read, dst);
    }),
  );
});

test('a client whose address is unknown is a dash in text, and null in JSON', () => {
  assert.match(textRecord({ ...relayed, client: '' }), /Z - edge\/127/);
  assert.equal(JSON.parse(jsonRecord({ ...relayed, client: '' })).client, null);
});
