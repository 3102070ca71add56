/** docs/security.md promises that a test checks each bound: the tests that it names exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/security.md'), 'utf8');

test('every test that the page on security names exists', () => {
  const named = [...page.matchAll(/`(test\/\S+\.test\.ts)`(?: "([^"]+)")?/g)];
  assert.ok(named.length > 20);
  for (const [, file, title] of named) {
    assert.ok(existsSync(join(root, file)), file);
    if (title !== undefined) assert.ok(readFileSync(join(root, file), 'utf8').includes(title), `${file}: ${title}`);
  }
});
