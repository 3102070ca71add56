/** Which session a client takes up again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientSession, TlsSessions } from '../../../src/io/portable/tls-sessions.ts';

const peer = { serverName: 'server.test', endpoint: '192.0.2.1:443' };
const session = (text: string, isForOnce: boolean): ClientSession => ({
  ticket: Buffer.from(text),
  certificate: null,
  isForOnce,
});

test('a ticket for once is taken once, the latest first', () => {
  const sessions = new TlsSessions();
  for (const text of ['a', 'b']) sessions.add(1, peer, session(text, true));
  assert.equal(String(sessions.take(1, peer)?.ticket), 'b');
  assert.equal(String(sessions.take(1, peer)?.ticket), 'a');
  assert.equal(sessions.take(1, peer), undefined);
});

test('other sessions are taken again until there is a newer one', () => {
  const sessions = new TlsSessions();
  sessions.add(1, peer, session('a', false));
  for (let i = 0; i < 3; i++) assert.equal(String(sessions.take(1, peer)?.ticket), 'a');
  sessions.add(1, peer, session('b', false));
  for (let i = 0; i < 3; i++) assert.equal(String(sessions.take(1, peer)?.ticket), 'b');
});

test('a session is for one context, name and endpoint', () => {
  const sessions = new TlsSessions();
  sessions.add(1, peer, session('a', false));
  assert.equal(sessions.take(2, peer), undefined);
  assert.equal(sessions.take(1, { ...peer, serverName: 'other.test' }), undefined);
  assert.equal(sessions.take(1, { ...peer, endpoint: '192.0.2.1:444' }), undefined);
  sessions.forget(1);
  assert.equal(sessions.take(1, peer), undefined);
});

test('few are kept of each peer, and of so many peers', () => {
  const sessions = new TlsSessions();
  for (let i = 0; i < 100; i++) sessions.add(1, peer, session(String(i), true));
  const taken: string[] = [];
  for (let next = sessions.take(1, peer); next; next = sessions.take(1, peer)) taken.push(String(next.ticket));
  assert.deepEqual(taken, ['99', '98', '97', '96']);
  const peers = Array.from({ length: 2000 }, (_, i) => ({ ...peer, endpoint: `192.0.2.1:${i}` }));
  for (const each of peers) sessions.add(1, each, session('a', false));
  const known = peers.filter(each => sessions.take(1, each));
  assert.deepEqual(known, peers.slice(-1024));
});
