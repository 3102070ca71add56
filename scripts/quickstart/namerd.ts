/**
 * `npm run demo:namerd`: a namerd, two proxies that follow it, and the backends of the quickstart, so that each command of namerctl
 * has a visible result. Everything it writes is in a temporary directory; Ctrl-C ends it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, startNamerd, startProxy } from '../../src/index.ts';
import { startBackends } from '../../src/quickstart/backends.ts';

const disco = process.env['DISCO_DIR'] ?? join(import.meta.dirname, '../../examples/quickstart/disco');
const namerdPort = Number(process.env['NAMERD_PORT'] ?? 4180);
const proxyPorts = (process.env['PROXY_PORTS'] ?? '7475,7476').split(',').map(Number);

/** With a store that keeps a history. */
const directory = mkdtempSync(join(tmpdir(), 'linkerd-tcp-demo-'));
const log = createLog({ level: 'warn' });
const backends = await startBackends(disco);
const namerd = await startNamerd({
  file: '<demo>',
  text: `
admin: { port: 0 }
storage: { kind: io.l5d.sqlite, path: ${join(directory, 'namerd.sqlite')} }
namers:
- { kind: io.l5d.fs, rootDir: ${disco} }
interfaces:
- { kind: io.l5d.httpController, port: ${namerdPort} }
`,
  log,
});
const [api] = namerd.apiAddresses;
const created = await fetch(`http://${api}/api/1/dtabs/default`, {
  method: 'POST',
  headers: { 'content-type': 'application/dtab' },
  body: '/svc => /cluster ; /cluster => /#/io.l5d.fs ; /svc/default => /cluster/blue ;',
});
if (!created.ok) throw new Error(`namerd answered ${created.status}: ${await created.text()}`);
const proxies = await Promise.all(
  proxyPorts.map(port =>
    startProxy({
      file: '<demo>',
      text: `
admin: { port: 0, graceSecs: 1 }
workers: 1
routers:
- label: demo
  interpreter: { kind: io.l5d.namerd.http, dst: /$/inet/${api!.replace(':', '/')}, namespace: default }
  servers: [{ port: ${port}, dstName: /svc/default }]
`,
      log,
    }),
  ),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const proxy of proxies) proxy.shutdown(signal);
    namerd.shutdown(signal);
  });
const addresses = proxies.flatMap(({ servers }) => servers.map(({ address }) => address));
console.log(`
  namerd     http://${api}
  proxies    ${addresses.join('  ')}      both route /svc/default
  backends   blue 127.0.0.1:7501 and 7502, green 127.0.0.1:7503 and 7504

  In another terminal:

  bin/namerctl explain /svc/default                          # how the name resolves
  npm run try -- ${proxyPorts[0]}                                       # 20 × blue
  bin/namerctl split default /svc/default blue=50 green=50   # half of the new connections moves at once, in both proxies
  npm run try -- ${proxyPorts[1]}                                       # about half and half
  bin/namerctl history default                               # what changed, and when
  bin/namerctl restore default 1                             # and back

  Stop: Ctrl-C
`);

await Promise.all([namerd.done, ...proxies.map(({ done }) => done)]);
await backends.stop();
rmSync(directory, { recursive: true });
process.exit(0);
