/** Secrets of the built-in kinds are hidden by their schemas, and what only sounds like one is shown. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { hideSecrets } from '../../src/config/secret-fields.ts';
import { configSchema } from '../../src/settings/linkerd-tcp/config.ts';
import { kinds } from '../../src/settings/linkerd-tcp/kinds.ts';
import { namerdSchema } from '../../src/settings/namerd/config.ts';
import { namerdKinds } from '../../src/settings/namerd/kinds.ts';

const namerd = (config: object) => hideSecrets(namerdSchema(namerdKinds), config);

test('tokens of the API are hidden; whom they are for and what they may do is shown', () => {
  const deploy = { name: 'deploy', read: ['*'], write: [] };
  const interfaces = [
    { kind: 'io.l5d.httpController', auth: { anonymous: 'none', tokens: [{ ...deploy, token: 'x' }] } },
  ];
  assert.deepEqual(namerd({ interfaces }), {
    interfaces: [
      { kind: 'io.l5d.httpController', auth: { anonymous: 'none', tokens: [{ ...deploy, token: '(hidden)' }] } },
    ],
  });
});

test('how Kubernetes is reached is no secret; the token for Consul is', () => {
  const shown = { storage: { kind: 'io.l5d.k8s', auth: 'serviceAccount' } };
  assert.deepEqual(namerd(shown), shown);
  assert.deepEqual(namerd({ storage: { kind: 'io.l5d.consul', token: 'x', tokenFile: '/run/t' } }), {
    storage: { kind: 'io.l5d.consul', token: '(hidden)', tokenFile: '/run/t' },
  });
});

test('for ZooKeeper the login is hidden, and of the ACLs the ids that have a password hash', () => {
  const acls = [
    { scheme: 'digest', id: 'ann:dGVzdA==', perms: 'crwda' },
    { scheme: 'world', id: 'anyone', perms: 'r' },
  ];
  const storage = { kind: 'io.l5d.zk', zkAddrs: [], authInfo: { scheme: 'digest', auth: 'ann:pw' }, acls };
  assert.deepEqual(namerd({ storage }), {
    storage: {
      ...storage,
      authInfo: { scheme: 'digest', auth: '(hidden)' },
      acls: [{ ...acls[0], id: '(hidden)' }, acls[1]],
    },
  });
});

test('the token for namerd is hidden in the configuration of a proxy', () => {
  const routers = [
    { label: 'a', servers: [], interpreter: { kind: 'io.l5d.namerd.http', token: 'x', namespace: 'y' } },
  ];
  assert.deepEqual(hideSecrets(configSchema(kinds), { routers }), {
    routers: [{ ...routers[0], interpreter: { ...routers[0].interpreter, token: '(hidden)' } }],
  });
});
