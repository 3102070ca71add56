/** The store `io.l5d.inMemory`: the contract, and the namespaces of its config. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import { load } from '../../src/config/load.ts';
import { parseDtab } from '../../src/dtab/parse.ts';
import { storeKinds } from '../../src/settings/namerd/store-kinds.ts';
import { createStore, type StoreContext, storeConfig } from '../../src/stores/kind.ts';
import { observe, recordedLog } from '../support/naming.ts';
import { presentOf, storeContract } from './contract.ts';

const context: StoreContext = { log: recordedLog(), now: () => 0, random: () => 0.5, epochMs: () => 0 };

const schema = z.strictObject({ storage: storeConfig(storeKinds) });
const stored = (text: string) => {
  const { storage } = load({ program: 'namerd', file: 'namerd.yml', text, schema });
  return createStore(storeKinds, storage, context);
};

const openForContract = async () => ({ store: stored('storage: { kind: io.l5d.inMemory }'), log: recordedLog() });

storeContract('io.l5d.inMemory', openForContract, { invalidNamespace: 'a/b' });

test('the namespaces of the config are there at start, and the first version is 1', async t => {
  const store = stored('storage:\n  kind: io.l5d.inMemory\n  namespaces:\n    default: /svc => /a ; /svc/x => /b ;\n');
  const seen = observe(t, store.observe('default'));
  assert.deepEqual(presentOf(seen), { dtab: '/svc=>/a;/svc/x=>/b', version: '0000000000000001' });
  assert.equal(Buffer.from(await store.put('default', parseDtab(''))).toString('base64'), 'AAAAAAAAAAI=');
});

test('a bad dtab and a bad name in the config are reported with their places', () => {
  const text = `storage:
  kind: io.l5d.inMemory
  namespaces:
    default: /svc => /a ; /svc >
    a/b: /svc => /a
`;
  assert.throws(
    () => stored(text),
    /namerd\.yml:4:32 .*default: not a dtab: '=' expected[\s\S]*namerd\.yml:5:5 .*expected a name/,
  );
});
