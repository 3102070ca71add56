/** The library: docs/embedding.md type-checks and runs as it stands, and `startProxy` serves, refuses and ends as it says. */
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { of } from 'rxjs';
import { z } from 'zod';
import {
  boundAddr,
  builtInKinds,
  defineNamer,
  type Kinds,
  leaf,
  type Name,
  neg,
  ok,
  type RunningProxy,
  silentLog,
  startProxy,
} from '../src/index.ts';
import { projectRoot } from './support/linkerd-tcp.ts';
import { connectPeer, listeningPeer } from './support/peer.ts';
import { runProgram, startProgram } from './support/process.ts';
import { tempDir } from './support/temp-dir.ts';

const entry = join(projectRoot, 'src/index.ts');
const page = readFileSync(join(projectRoot, 'docs/embedding.md'), 'utf8');
const examples = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(match => match[1] as string);

/** A directory with the page's examples as programs: the namer and its proxy are one, the dtabs another. */
function programs(t: TestContext) {
  const folder = tempDir(t);
  symlinkSync(join(projectRoot, 'node_modules'), join(folder.path, 'node_modules'));
  const [namer, proxy, namerd, dtabs, ...others] = examples as [string, string, string, string];
  assert.deepEqual(others, [], 'every example of the page is run');
  const source = (text: string): string => text.replaceAll("from 'linkerd-tcp'", `from '${entry}'`);
  folder.write('package.json', '{"type": "module"}');
  return {
    folder,
    embedded: folder.write('embedded.ts', source(namer + proxy)),
    namerd: folder.write('namerd.ts', source(namerd)),
    dtabs: folder.write('dtabs.ts', source(dtabs)),
  };
}

test('the examples of docs/embedding.md pass the type check', async t => {
  const { folder } = programs(t);
  folder.write(
    'tsconfig.json',
    JSON.stringify({
      extends: join(projectRoot, 'tsconfig.json'),
      compilerOptions: {
        rewriteRelativeImportExtensions: false,
        typeRoots: [join(projectRoot, 'node_modules/@types')],
      },
      include: ['*.ts'],
    }),
  );
  const { code, output } = await runProgram(t, join(projectRoot, 'node_modules/.bin/tsc'), ['-p', folder.path]);
  assert.equal(code, 0, output);
});

test('the proxy of docs/embedding.md routes by its own namer until SIGTERM', async t => {
  const backend = await listeningPeer(t);
  const { embedded } = programs(t);
  const program = startProgram(t, process.execPath, [embedded], { env: { BACKEND_PORT: String(backend.port) } });
  const [, port] = await program.printed(
    /router: 'embedded',\s+dstName: '\/svc\/cache',\s+address: '127\.0\.0\.1:(\d+)'/,
  );
  const client = await connectPeer(t, Number(port));
  await client.play('send 1k', 'shutdown');
  await backend.play('expect 1k', 'expect end', 'send 10k', 'close');
  await client.play('expect 10k', 'expect end');
  program.signal('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('the namerd of docs/embedding.md keeps dtabs in its own store until SIGTERM', async t => {
  const { folder, namerd } = programs(t);
  const program = startProgram(t, process.execPath, [namerd], { cwd: folder.path });
  const [url] = await program.printed(/http:\/\/127\.0\.0\.1:\d+\/api\/1\/dtabs/);
  const headers = { 'content-type': 'application/dtab' };
  assert.equal((await fetch(`${url}/web`, { method: 'PUT', headers, body: '/svc=>/a' })).status, 204);
  assert.equal(await (await fetch(url)).text(), '["web"]\n');
  assert.equal((await fetch(`${url}/web`, { method: 'DELETE' })).status, 204);
  assert.equal(readFileSync(join(folder.path, 'writes.log'), 'utf8'), 'web: /svc=>/a\nweb was deleted\n');
  program.signal('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('the dtab example of docs/embedding.md prints what its comment says', async t => {
  const { code, output } = await runProgram(t, process.execPath, [programs(t).dtabs]);
  assert.equal(code, 0, output);
  const [, said] = /console\.log\(.*\); \/\/ (.*)$/m.exec(examples[3] as string) ?? [];
  assert.equal(output, `${said}\n`);
});

const localNamer = defineNamer({
  kind: 'test.local',
  config: z.strictObject({ port: z.number() }),
  create: ({ port }, { prefix }) => ({
    lookup: ([name, ...residual]) => {
      if (name === undefined) return of(ok(neg));
      const addr = of(boundAddr([{ ip: '127.0.0.1', port, meta: {} }]));
      return of(ok(leaf<Name>({ type: 'bound', bound: { id: [...prefix, name], residual, addr } })));
    },
  }),
});
const kinds: Kinds = { ...builtInKinds, namers: [...builtInKinds.namers, localNamer] };

function start(t: TestContext, text: string, options: { file?: string; kinds?: Kinds } = {}): Promise<RunningProxy> {
  const started = startProxy({ file: '<stdin>', text, log: silentLog, ...options });
  t.after(async () => {
    const proxy = await started.catch(() => undefined);
    proxy?.shutdown('the test is over');
    await proxy?.done;
  });
  return started;
}

const configuration = (port: number, name = 'a'): string => `
admin: {port: 0, graceSecs: 0}
workers: 1
namers: [{kind: test.local, port: ${port}}]
routers: [{label: test, dtab: /svc => /#/test.local, servers: [{port: 0, dstName: /svc/${name}}]}]
`;

const portOf = ({ servers }: RunningProxy): number => Number(servers[0]?.address.split(':')[1]);

test('a reload reads the file again, with the same kinds', async t => {
  const [a, b] = [await listeningPeer(t), await listeningPeer(t)];
  const folder = tempDir(t);
  const text = configuration(a.port);
  const file = folder.write('embedded.yml', text);
  const proxy = await start(t, text, { file, kinds });
  await connectPeer(t, portOf(proxy));
  await a.socket();

  folder.write('embedded.yml', configuration(b.port, 'b'));
  await proxy.reload();
  assert.deepEqual(
    proxy.servers.map(({ router, dstName }) => `${router} ${dstName}`),
    ['test /svc/b'],
  );
  await connectPeer(t, portOf(proxy));
  await b.socket();
});

test('without a file there is nothing to reload', async t => {
  const proxy = await start(t, configuration(1), { kinds });
  await assert.rejects(proxy.reload(), { code: 'CONFIG_UNREADABLE' });
});

test('a kind that was not given is unknown, and nothing runs', async t => {
  await assert.rejects(start(t, configuration(1)), { code: 'CONFIG_INVALID', message: /test\.local/ });
});

test('its end says whether it stopped or was aborted', async t => {
  for (const [end, outcome] of [
    ['shutdown', 'stopped'],
    ['abort', 'aborted'],
  ] as const) {
    const proxy = await start(t, 'admin: {port: 0}\nworkers: 1\nrouters: []', {});
    proxy[end]('the test says so');
    assert.equal(await proxy.done, outcome);
  }
});
