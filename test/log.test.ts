/** The program's log: one line per event, for people or for machines. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLog, type LogOptions } from '../src/log.ts';

function lines(options: Omit<LogOptions, 'destination'>, say: (log: ReturnType<typeof createLog>) => void) {
  const written: string[] = [];
  say(createLog({ env: {}, ...options, destination: { write: line => void written.push(line) } }));
  return written;
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;
const texts = (options: Omit<LogOptions, 'destination'>, say: (log: ReturnType<typeof createLog>) => void) =>
  lines(options, say).map(line => {
    assert.match(line, time);
    return line.replace(time, '');
  });

test('an event is a line of text with its time, level, message and details', () => {
  assert.deepEqual(
    texts({}, log => {
      log.info('ready');
      log.warn('slow', { dst: '/svc/web', ms: 12, list: [1, 'b'], why: 'a "b"', none: null });
      log.error('gone', { reason: new Error('refused by 10.0.0.1') });
    }),
    [
      'info ready\n',
      'warn slow dst=/svc/web ms=12 list=[1,"b"] why="a \\"b\\"" none=null\n',
      'error gone reason="refused by 10.0.0.1"\n',
    ],
  );
});

test('text of others can neither break the line nor steer the terminal', () => {
  assert.deepEqual(
    texts({}, log => log.info('a\nb\x1b[2J', { dst: '\x9b1m\r\n' })),
    ['info a\\nb\\u001b[2J dst="\\u009b1m\\r\\n"\n'],
  );
});

test('JSON is chosen by the environment', () => {
  const [line] = lines({ env: { LINKERD_TCP_LOG: 'json' } }, log =>
    log.warn('slow', { ms: 12, error: new Error('x') }),
  );
  const { time: at, ...rest } = JSON.parse(line);
  assert.ok(!Number.isNaN(Date.parse(at)));
  assert.deepEqual(rest, { level: 'warn', ms: 12, error: 'x', msg: 'slow' });
});

test('levels below the chosen one are not written; an unknown level is refused', () => {
  const all = (log: ReturnType<typeof createLog>) => {
    log.info('1');
    log.warn('2');
    log.error('3');
  };
  assert.equal(lines({ env: { LINKERD_TCP_LOG_LEVEL: 'error' } }, all).length, 1);
  assert.equal(lines({ level: 'warn', env: { LINKERD_TCP_LOG_LEVEL: 'error' } }, all).length, 2);
  assert.throws(() => createLog({ env: { LINKERD_TCP_LOG_LEVEL: 'loud' } }), { code: 'ENVIRONMENT_INVALID' });
});

const module = JSON.stringify(import.meta.resolve('../src/log.ts'));
const run = (body: string) =>
  spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `import { createLog } from ${module}; const log = createLog({ env: {} }); ${body}`],
    { encoding: 'utf8' },
  );

test('the last lines are written, whether the process exits at once or closes its log', () => {
  for (const end of ['process.exit(3)', 'await log.close(); process.exit(3)', 'process.exitCode = 3']) {
    const { status, stderr, stdout } = run(`for (let i = 0; i < 100; i++) log.info('line ' + i); ${end}`);
    assert.equal(status, 3, end);
    // In an exit at once, what is being written already may come after what is written last.
    assert.deepEqual(
      new Set(
        stderr
          .trimEnd()
          .split('\n')
          .map(line => line.replace(time, '')),
      ),
      new Set(Array.from({ length: 100 }, (_, i) => `info line ${i}`)),
      end,
    );
    assert.equal(stdout, '');
  }
});
