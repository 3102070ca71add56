/** Which requests of browsers an HTTP API refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserRefusal } from '../src/browser-guard.ts';

const refusal = (
  method: string,
  headers: Record<string, string>,
  rules: { ip?: string; allowedHosts?: string[] } = {},
) =>
  browserRefusal(
    { method, url: '/api/1/dtabs?x', headers, rawHeaders: Object.entries(headers).flat() },
    { ip: '127.0.0.1', key: 'admin.allowedHosts', ...rules },
  );

test('on loopback only hosts that cannot be another name for it are served', () => {
  for (const host of ['127.0.0.1:9990', '[::1]:9990', 'localhost', 'LOCALHOST:1', 'app.localhost:80', '10.0.0.7'])
    assert.equal(refusal('GET', { host }), undefined, host);
  for (const host of ['evil.example', 'evil.example:9990', 'localhost.evil.example', '127.0.0.1.evil.example', ' '])
    assert.equal(refusal('GET', { host })?.code, 'HOST_REFUSED', host);
  assert.match(refusal('GET', { host: 'evil.example' })!.message, /host evil\.example;.*admin\.allowedHosts/);
});

test('a host that is configured is served on loopback; elsewhere every host is', () => {
  const allowedHosts = ['namerd.example'];
  assert.equal(refusal('GET', { host: 'NAMERD.example:80' }, { allowedHosts }), undefined);
  assert.equal(refusal('GET', { host: 'namerd.internal' }, { ip: '0.0.0.0' }), undefined);
});

test('a program, which sends neither Origin nor Sec-Fetch-Site, may do everything', () => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
    assert.equal(refusal(method, { host: 'localhost' }), undefined);
  assert.equal(refusal('GET', {}), undefined, 'HTTP/1.0');
});

test('a page writes only from the origin it talks to, and only if that host is known', () => {
  const host = 'localhost:9990';
  assert.equal(refusal('POST', { host, origin: `http://${host}` }), undefined);
  for (const origin of ['http://evil.example', 'null', 'http://localhost:9991', 'http://localhost:9990.evil.example'])
    assert.equal(refusal('POST', { host, origin })?.code, 'ORIGIN_REFUSED', origin);
  const rebound = { host: 'evil.example', origin: 'http://evil.example' };
  assert.equal(refusal('POST', rebound, { ip: '0.0.0.0' })?.code, 'ORIGIN_REFUSED');
  const own = { host: 'namerd.example', origin: 'https://namerd.example' };
  assert.equal(refusal('POST', own, { ip: '0.0.0.0', allowedHosts: ['namerd.example'] }), undefined);
});

test('a cross-site request is refused unless it follows a link; a write also from another origin of the same site', () => {
  const from = (method: string, site: string, mode = 'no-cors') =>
    refusal(method, { host: 'localhost', 'sec-fetch-site': site, 'sec-fetch-mode': mode })?.code;
  assert.equal(from('POST', 'cross-site'), 'ORIGIN_REFUSED');
  assert.equal(from('POST', 'same-site'), 'ORIGIN_REFUSED');
  assert.equal(from('GET', 'cross-site'), 'ORIGIN_REFUSED');
  assert.equal(from('GET', 'cross-site', 'navigate'), undefined);
  assert.equal(from('POST', 'cross-site', 'navigate'), 'ORIGIN_REFUSED');
  for (const site of ['same-origin', 'none']) assert.equal(from('POST', site), undefined);
  assert.equal(from('GET', 'same-site'), undefined);
});

test('two Host headers are refused', () => {
  const rawHeaders = ['Host', 'localhost', 'HOST', 'localhost'];
  const request = { method: 'GET', url: '/', headers: { host: 'localhost' }, rawHeaders };
  assert.match(browserRefusal(request, { ip: '0.0.0.0', key: 'x' })!.message, /more than one Host/);
});
