/** docs/reference/ says what the sources say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateDocs } from '../../scripts/generate-docs.ts';

const root = join(import.meta.dirname, '../..');

for (const [path, text] of generateDocs())
  test(`${path} is up to date; otherwise run: npm run docs`, () => {
    assert.equal(readFileSync(join(root, path), 'utf8'), text);
  });
