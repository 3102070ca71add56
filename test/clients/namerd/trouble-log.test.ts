/** The log lines about a namerd that many watches use. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Subject } from 'rxjs';
import { TroubleLog } from '../../../src/clients/namerd/trouble-log.ts';
import { LinkerdTcpError } from '../../../src/errors.ts';
import { type Activity, failed, ok } from '../../../src/live/activity.ts';
import { recordedLog } from '../../support/naming.ts';

const unreachable = failed(new LinkerdTcpError('NAMERD_UNREACHABLE', { url: 'http://n', reason: 'ECONNREFUSED' }));
const denied = failed(
  new LinkerdTcpError('NAMERD_DENIED', { url: 'http://n', status: 403, body: 'no', hint: 'see what namerd allows' }),
);
const wrong = failed(new LinkerdTcpError('NAMERD_ANSWER', { url: 'http://n', reason: 'not JSON' }));

function follow(...targets: string[]) {
  const log = recordedLog();
  const trouble = new TroubleLog(log, () => 'http://n');
  const watches = targets.map(target => {
    const activities = new Subject<Activity<number>>();
    activities.pipe(trouble.follow(target)).subscribe();
    return activities;
  });
  let seen = 0;
  /** Those since the last call, without what follows a semicolon. */
  const lines = () => {
    const fresh = log.lines.slice(seen).map(line => line.replace(/;.*/, ''));
    seen = log.lines.length;
    return fresh;
  };
  return { watches, lines };
}

test('an outage is one line and its end another, however many watches notice', () => {
  const { watches, lines } = follow(...Array.from({ length: 50 }, (_, i) => `/t${i}`));
  for (let round = 0; round < 3; round++) for (const watch of watches) watch.next(unreachable);
  assert.deepEqual(lines(), ['warn: cannot reach http://n: ECONNREFUSED']);
  for (const watch of watches.slice(1)) watch.next(ok(1));
  assert.deepEqual(lines(), []);
  watches[0].next(ok(1));
  assert.deepEqual(lines(), ['info: namerd at http://n recovered']);
});

test('the end of an outage does not wait for a target that is denied', () => {
  const { watches, lines } = follow('/a', '/b');
  const [a, b] = watches;
  b.next(denied);
  a.next(unreachable);
  assert.equal(lines().length, 2);
  a.next(ok(1));
  assert.deepEqual(lines(), ['info: namerd at http://n recovered']);
  b.next(ok(1));
  assert.deepEqual(lines(), ['info: namerd at http://n recovered']);
});

test('a complaint of one target is logged for that target, and so is its end', () => {
  const { watches, lines } = follow('/a', '/b');
  watches[0].next(wrong);
  watches[0].next(wrong);
  watches[1].next(ok(1));
  watches[0].next(ok(1));
  assert.deepEqual(lines(), ['warn: http://n sent an unexpected answer: not JSON', 'info: http://n/a: recovered']);
});
