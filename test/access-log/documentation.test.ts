/** docs/access-log.md tells the truth. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { jsonRecord } from '../../src/access-log/format.ts';
import { ends } from '../../src/proxy/end-codes.ts';

const page = await readFile(join(import.meta.dirname, '../../docs/access-log.md'), 'utf8');

test('the guide to the access log explains every cause pair in the words of the code', () => {
  const rows = page.matchAll(/^\| `(\S\S)` \| (.*) \|$/gm).map(([, code, text]) => [code, text]);
  assert.deepEqual(
    Object.fromEntries(rows),
    Object.fromEntries(Object.entries(ends).map(([code, { text }]) => [code, text])),
  );
});

test('the guide to the access log names every JSON key', () => {
  const line = jsonRecord({
    at: 0,
    router: '',
    server: '',
    dst: '',
    client: '',
    endpoint: null,
    branch: null,
    bindMs: 0,
    connectMs: 0,
    totalMs: 0,
    rx: 0,
    tx: 0,
    retries: 0,
    serverName: null,
    tls: null,
    upstreamTls: null,
    end: '--',
    reason: null,
  });
  for (const key of Object.keys(JSON.parse(line))) assert.ok(page.includes(`\`${key}\``), key);
});
