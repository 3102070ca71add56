/** Secrets are hidden in a configuration that is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact } from '../../src/admin/redact.ts';

const shown = { a: 1, b: 'x', c: [true, null], d: { e: 1.5 } };

test('values that are not secret are shown unchanged', () => {
  assert.deepEqual(redact(shown), shown);
});

for (const key of [
  ...['password', 'passwd', 'keyPassphrase', 'passphrase', 'token', 'authToken', 'setToken', 'clientSecret'],
  ...['Authorization', 'apiKey', 'api_key', 'credentials', 'secretAccessKey', 'accessKeyId', 'Cookie', 'X-Vault-Token'],
]) {
  test(`${key} is hidden at any depth, as text, number or list`, () => {
    for (const value of ['hunter2', 17, ['hunter2']]) {
      const text = JSON.stringify(redact({ list: [{ deep: { [key]: value, beside: 'shown' } }] }));
      assert.equal(text, `{"list":[{"deep":{"${key}":"(hidden)","beside":"shown"}}]}`);
    }
  });
}

test('where a secret lies is not the secret', () => {
  const paths = { tokenFile: '/run/token', passwordPath: '/run/pw', privateKey: 'key.pem', certs: ['leaf.pem'] };
  assert.deepEqual(redact(paths), paths);
  assert.deepEqual(redact({ token: null, auth: false, author: 'x', authority: 'y' }), {
    token: null,
    auth: false,
    author: 'x',
    authority: 'y',
  });
});

test('a mapping under a key that sounds like a secret is looked into', () => {
  const config = {
    auth: 'serviceAccount',
    tokens: [{ name: 'deploy', token: 'hunter2' }],
    credentials: { user: 'ann', password: 'x' },
  };
  assert.deepEqual(redact(config), {
    auth: 'serviceAccount',
    tokens: [{ name: 'deploy', token: '(hidden)' }],
    credentials: { user: 'ann', password: '(hidden)' },
  });
});

test('a private key given as text is hidden wherever it is', () => {
  const pem = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n';
  assert.deepEqual(redact({ privateKey: 'MHcCAQ\nAAAA', note: pem, list: [pem] }), {
    privateKey: '(hidden)',
    note: '(hidden)',
    list: ['(hidden)'],
  });
});

test('the password and the tokens of a URL are hidden, the rest of it is shown', () => {
  assert.deepEqual(
    redact([
      'http://ann:s3cret@namerd:4180/x',
      'http://namerd:4180',
      'http://consul/v1?dc=a&token=abc&x=1#y',
      'http://:p@h',
    ]),
    [
      'http://ann:(hidden)@namerd:4180/x',
      'http://namerd:4180',
      'http://consul/v1?dc=a&token=(hidden)&x=1#y',
      'http://:(hidden)@h',
    ],
  );
});
