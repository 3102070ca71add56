/** What signals do to a running program. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { followSignals } from '../../src/cli/signals.ts';
import { Starting } from '../../src/cli/starting.ts';

function program(reload: () => Promise<void> = async () => {}) {
  const seen: string[] = [];
  return {
    seen,
    stopping: false,
    shutdown(reason: string) {
      this.stopping = true;
      seen.push(`shutdown ${reason}`);
    },
    abort: () => void seen.push('abort'),
    reload: () => {
      seen.push('reload');
      return reload();
    },
    reopenLogs: async () => void seen.push('reopen logs'),
  };
}

function following(env: Record<string, string> = {}, reload?: () => Promise<void>) {
  const signals = new EventEmitter();
  const clock = { now: 0 };
  const running = program(reload);
  const warn = (text: string) => void running.seen.push(text);
  const stop = followSignals(running, { warn, signals, now: () => clock.now, env });
  return { signals, running, seen: running.seen, clock, stop };
}

test('SIGTERM stops gracefully, a second signal at once', () => {
  const { signals, seen } = following();
  signals.emit('SIGTERM');
  signals.emit('SIGINT');
  assert.deepEqual(seen, ['shutdown SIGTERM', 'abort']);
});

test('a signal to a program that stops already, by POST /shutdown say, ends it at once', () => {
  const { signals, seen, running } = following();
  running.shutdown('POST /shutdown');
  signals.emit('SIGTERM');
  assert.deepEqual(seen, ['shutdown POST /shutdown', 'abort']);
});

test('under npm one Ctrl-C that arrives twice, from the terminal and from npm, stops gracefully', () => {
  const { signals, seen, clock } = following({ npm_lifecycle_event: 'start' });
  signals.emit('SIGINT');
  clock.now = 30;
  signals.emit('SIGINT');
  assert.deepEqual(seen, ['shutdown SIGINT']);
  clock.now = 3000;
  signals.emit('SIGINT');
  assert.deepEqual(seen, ['shutdown SIGINT', 'abort']);
});

test('without npm a second signal is heeded however soon it comes, and SIGTERM always', () => {
  for (const [env, signal] of [
    [{}, 'SIGINT'],
    [{ npm_lifecycle_event: 'start' }, 'SIGTERM'],
  ] as const) {
    const { signals, seen } = following(env);
    signals.emit(signal);
    signals.emit(signal);
    assert.deepEqual(seen, [`shutdown ${signal}`, 'abort']);
  }
});

test('SIGHUP reloads, and a reload that fails stops nothing', async () => {
  const { signals, seen } = following({}, () => Promise.reject(new Error('out of luck')));
  signals.emit('SIGHUP');
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['reload']);
});

test('SIGQUIT stops gracefully, SIGUSR1 reopens log files', () => {
  const { signals, seen } = following();
  signals.emit('SIGUSR1');
  signals.emit('SIGQUIT');
  assert.deepEqual(seen, ['reopen logs', 'shutdown SIGQUIT']);
});

test('signals of other proxies that would end the process are ignored with a warning', () => {
  const { signals, seen } = following();
  for (const signal of ['SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR']) {
    signals.emit(signal);
    assert.match(seen.pop() as string, new RegExp(`^${signal} ignored; send SIGHUP to reload`));
  }
  assert.deepEqual(seen, []);
});

test('after it stopped following, signals have no effect', () => {
  const { signals, seen, stop } = following();
  stop();
  signals.emit('SIGTERM');
  assert.deepEqual(seen, []);
});

test('SIGHUP during the start reloads once it is over', () => {
  const signals = new EventEmitter();
  const starting = new Starting();
  followSignals(starting, { warn: () => {}, signals, env: {} });
  signals.emit('SIGHUP');
  const running = program();
  starting.become(running);
  assert.deepEqual(running.seen, ['reload']);
  signals.emit('SIGHUP');
  signals.emit('SIGTERM');
  signals.emit('SIGTERM');
  assert.deepEqual(running.seen, ['reload', 'reload', 'shutdown SIGTERM', 'abort']);
});

test('SIGTERM during the start ends the start', async () => {
  const signals = new EventEmitter();
  const starting = new Starting();
  followSignals(starting, { warn: () => {}, signals, env: {} });
  signals.emit('SIGTERM');
  assert.equal(await starting.stopped, 'stopped');
});
