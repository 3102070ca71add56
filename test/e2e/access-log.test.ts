/** The access log of the real program: one true line for each way a connection can end, as text or JSON, to a file or stdout. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot, whereItListens } from '../support/linkerd-tcp.ts';
import { connectPeer, listeningPeer } from '../support/peer.ts';
import { refusingPort } from '../support/ports.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/waiting.ts';

interface Line {
  readonly time: string;
  readonly client: string;
  readonly router: string;
  readonly server: string;
  readonly dst: string;
  readonly branch: string | null;
  readonly endpoint: string | null;
  readonly bindMs: number;
  readonly connectMs: number;
  readonly totalMs: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly retries: number;
  readonly end: string;
  readonly reason: string | null;
}

const textLine = new RegExp(
  [
    /^(?<time>\S+) (?<client>\S+) (?<router>[^/]+)\/(?<server>\S+) (?<dst>\S+)/,
    /(?:-|(?<branch>\S+)\/(?<endpoint>[^/\s]+)) (?<bindMs>-?\d+)\/(?<connectMs>-?\d+)\/(?<totalMs>\d+)/,
    /(?<rxBytes>\d+)\/(?<txBytes>\d+) (?<retries>\d+) (?<end>\S\S)(?: (?<reason>".*"))?$/,
  ]
    .map(({ source }) => source)
    .join(' '),
);

/** Both forms as one, to expect the same of them. */
const parsers: Readonly<Record<'text' | 'json', (line: string) => Line>> = {
  json: line => JSON.parse(line) as Line,
  text: line => {
    const fields = textLine.exec(line)?.groups;
    assert.ok(fields, `not a line of the access log: ${line}`);
    const numbers = ['bindMs', 'connectMs', 'totalMs', 'rxBytes', 'txBytes', 'retries'];
    return {
      ...(fields as unknown as Line),
      ...Object.fromEntries(numbers.map(name => [name, Number(fields[name])])),
      branch: fields['branch'] ?? null,
      endpoint: fields['endpoint'] ?? null,
      reason: fields['reason'] === undefined ? null : JSON.parse(fields['reason']),
    };
  },
};

async function logged(t: TestContext, format: 'text' | 'json', file: string) {
  const [backend, dead] = [await listeningPeer(t), await refusingPort(t)];
  const folder = tempDir(t);
  folder.write('disco/web', `127.0.0.1 ${backend.port}\n`);
  folder.write('disco/dead', `127.0.0.1 ${dead}\n`);
  const config = folder.write(
    'edge.yml',
    `
admin: {port: 0}
accessLog: {file: "${file}", format: ${format}}
namers: [{kind: io.l5d.fs, rootDir: disco}]
routers:
- label: edge
  dtab: "/svc => /#/io.l5d.fs ;"
  client: {maxRetries: 2, retryBackoffMs: {min: 1, max: 2}}
  servers: [{port: 0, dstName: /svc/web}, {port: 0, dstName: /svc/dead}, {port: 0, dstName: /svc/none}]
`,
  );
  const output = join(folder.path, file === '-' ? 'stdout' : file);
  const launcher = join(projectRoot, 'bin/linkerd-tcp');
  // Standard output alone goes to a file; what the program says goes to standard error.
  const program = startProgram(
    t,
    'sh',
    ['-c', 'exec "$0" "$1" > "$2"', launcher, config, join(folder.path, 'stdout')],
    {
      cwd: folder.path,
    },
  );
  const { ports } = await whereItListens(program, 3);
  const raw = (): string => (existsSync(output) ? readFileSync(output, 'utf8') : '');
  return {
    backend,
    dead,
    program,
    portOf: (name: string) => ports.get(name) as number,
    /** All lines, when there are `count`. */
    lines: async (count: number): Promise<readonly Line[]> => {
      await until(
        () => raw().split('\n').length > count,
        () => `${count} lines, there is:\n${raw()}`,
      );
      return raw().trimEnd().split('\n').map(parsers[format]);
    },
  };
}

for (const format of ['text', 'json'] as const)
  for (const file of ['access.log', '-'])
    test(`${format} lines to ${file === '-' ? 'standard output' : 'a file'} tell how each connection ended`, async t => {
      const { backend, dead, program, portOf, lines } = await logged(t, format, file);
      const started = Date.now();

      const clean = await connectPeer(t, portOf('/svc/web'));
      const client = `127.0.0.1:${clean.socket.localPort}`;
      clean.queue(1000);
      const first = await backend.next();
      await first.play('expect 1000', 'pause 30', 'send 20k', 'shutdown');
      await clean.play('expect 20k', 'expect end', 'shutdown');
      const [ok] = (await lines(1)) as [Line];
      assert.match(ok.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Date.parse(ok.time) >= started - 1000 && Date.parse(ok.time) <= Date.now(), ok.time);
      assert.deepEqual(
        { ...ok, time: '', bindMs: 0, connectMs: 0, totalMs: 0 },
        {
          time: '',
          client,
          router: 'edge',
          server: `127.0.0.1:${portOf('/svc/web')}`,
          dst: '/svc/web',
          branch: '/#/io.l5d.fs/web',
          endpoint: `127.0.0.1:${backend.port}`,
          bindMs: 0,
          connectMs: 0,
          totalMs: 0,
          rxBytes: 1000,
          txBytes: 20_480,
          retries: 0,
          ...(format === 'json' && { serverName: null, tls: null, upstreamTls: null }),
          end: '--',
          reason: null,
        },
      );
      assert.ok(ok.bindMs >= 0 && ok.connectMs >= 0, 'both phases were reached');
      assert.ok(ok.totalMs >= 29 && ok.totalMs >= Math.floor(ok.bindMs + ok.connectMs), JSON.stringify(ok));

      const cut = await connectPeer(t, portOf('/svc/web'));
      cut.queue(500);
      await (await backend.next()).play('expect 500');
      await cut.play('reset');
      const [, reset] = (await lines(2)) as [Line, Line];
      assert.deepEqual([reset.end, reset.rxBytes, reset.txBytes, reset.retries], ['RC', 500, 0, 0]);
      assert.ok(reset.reason, 'an end that is not clean has a reason');

      await (await connectPeer(t, portOf('/svc/none'))).play('expect over');
      const { end, dst, branch, endpoint, bindMs, connectMs, totalMs, reason } = (await lines(3))[2] as Line;
      assert.deepEqual({ end, dst, branch, endpoint }, { end: 'NN', dst: '/svc/none', branch: null, endpoint: null });
      assert.deepEqual([bindMs >= 0, connectMs, totalMs >= 0], [true, -1, true]);
      assert.match(reason ?? '', /\/svc\/none does not resolve/);

      await (await connectPeer(t, portOf('/svc/dead'))).play('expect over');
      const refused = (await lines(4))[3] as Line;
      assert.deepEqual([refused.end, refused.dst, refused.retries], ['CU', '/svc/dead', 2]);
      assert.ok(refused.bindMs >= 0 && refused.connectMs === -1, JSON.stringify(refused));
      assert.match(refused.reason ?? '', new RegExp(`127\\.0\\.0\\.1:${dead}.*refused`));

      assert.deepEqual(await program.stop(), { code: 0, signal: null });
      assert.equal((await lines(4)).length, 4);
    });

test('connections cut off by a stop are in the log before the process ends', async t => {
  const { backend, program, portOf, lines } = await logged(t, 'json', 'access.log');
  const client = await connectPeer(t, portOf('/svc/web'));
  client.queue(10);
  await (await backend.next()).play('expect 10');
  program.signal('SIGTERM');
  await program.printed(/stopping/);
  await client.play('reset');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  assert.deepEqual(
    (await lines(1)).map(({ end, rxBytes }) => [end, rxBytes]),
    [['RC', 10]],
  );
});

test('where no endpoint accepted the connection, the one tried last is named', async t => {
  const { dead, portOf, lines } = await logged(t, 'text', 'access.log');
  await (await connectPeer(t, portOf('/svc/dead'))).play('expect over');
  assert.deepEqual(
    (await lines(1)).map(({ branch, endpoint }) => [branch, endpoint]),
    [['/#/io.l5d.fs/dead', `127.0.0.1:${dead}`]],
  );
});
