/** `DELETE` with If-Match. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore } from '../../src/stores/kind.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { recordedLog } from '../support/naming.ts';
import type { Scope } from '../support/scope.ts';
import { startRig } from './rig.ts';

function memoryRig(t: Scope) {
  const context = { log: recordedLog(), now: () => 0, random: () => 0, epochMs: () => 0 };
  const store = createStore([memoryStore], { kind: memoryStore.kind, namespaces: {} }, context);
  t.after(() => store.close());
  return startRig(t, { api: { store } });
}

test('DELETE with If-Match removes only that version, quoted or not, or with * whichever there is', async t => {
  const rig = await memoryRig(t);
  const versions = async () => [(await rig.put('tea', '')).headers.etag, (await rig.put('tea', '/a=>/b')).headers.etag];
  const remove = (etag: string) => rig.ask('DELETE', 'dtabs/tea', { 'if-match': etag });
  const [stale, present] = (await versions()) as [string, string];
  for (const wrong of [stale, `"${stale}"`, 'yolo', '']) {
    const { status, text } = await remove(wrong);
    assert.equal(status, 412, wrong);
    assert.match(text, /has changed since you read it/);
  }
  assert.equal((await rig.ask('HEAD', 'dtabs/tea')).headers.etag, present);
  assert.equal((await remove(present)).status, 204);
  assert.equal((await rig.ask('HEAD', 'dtabs/tea')).status, 404);
  for (const form of [(etag: string) => `"${etag}"`, (etag: string) => `W/"${etag}"`, () => '*', () => ' * ']) {
    const [, etag] = (await versions()) as [string, string];
    assert.equal((await remove(form(etag))).status, 204, form(etag));
  }
});

test('DELETE with If-Match of a namespace that is not there is not found', async t => {
  const rig = await memoryRig(t);
  for (const etag of ['*', 'AAAAAAAAAAE='])
    assert.equal((await rig.ask('DELETE', 'dtabs/none', { 'if-match': etag })).status, 404);
});
