/** The namers of a configuration while it runs: their series, what they say of themselves, their end. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { of } from 'rxjs';
import { z } from 'zod';
import { neg } from '../../src/dtab/name-tree.ts';
import { Namers } from '../../src/interpreters/mounted-namers.ts';
import { failed, ok } from '../../src/live/activity.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { defineNamer } from '../../src/naming/kinds.ts';
import { namingContext, observe } from '../support/naming.ts';

function mounted() {
  const closed: string[] = [];
  const kind = defineNamer({
    kind: 'test',
    config: z.strictObject({}),
    create: (_config, { prefix }) => ({
      lookup: ([name]) => of(name === 'bad' ? failed(new Error('no answer')) : ok(neg)),
      state: () => ({ servers: 3 }),
      close: () => void closed.push(prefix.join('/')),
    }),
  });
  const registry = new Registry({ pages: 1 });
  const namers = new Namers({ namers: [kind], transformers: [], context: namingContext(), registry });
  return { namers, registry, closed };
}

const configOf = (...prefixes: string[]) => prefixes.map(prefix => ({ kind: 'test', prefix, transformers: [] }));

test('the names that a namer watches, and those that fail, are counted for each namer', t => {
  const { namers, registry } = mounted();
  const [one] = namers.mount(configOf('/one', '/two'));
  observe(t, one.namer.lookup(['good']));
  observe(t, one.namer.lookup(['bad']));
  const text = registry.expose();
  assert.match(text, /l5d:namer:watches\{namer="\/#\/one"\} 2/);
  assert.match(text, /l5d:namer:failing\{namer="\/#\/one"\} 1/);
  assert.match(text, /l5d:namer:watches\{namer="\/#\/two"\} 0/);
});

test('the state of a namer is listed beside the names it watches', () => {
  const { namers } = mounted();
  namers.mount(configOf('/one'));
  assert.deepEqual(namers.watches(), [{ path: '/#/one', ageMs: undefined, failure: undefined, state: { servers: 3 } }]);
});

test('a namer that a configuration drops is closed, and its series end; the others stay the same', async () => {
  const { namers, registry, closed } = mounted();
  const [one] = namers.mount(configOf('/one', '/two'));
  const [oneAfter] = namers.mount(configOf('/one'));
  assert.equal(oneAfter.namer, one.namer);
  await namers.keepOnly(configOf('/one'));
  assert.deepEqual(closed, ['#/two']);
  assert.doesNotMatch(registry.expose(), /namer="\/#\/two"/);
  await namers.close();
  assert.deepEqual(closed, ['#/two', '#/one']);
});
