/** watch: the dtab, then its changes, through whatever happens to the connection. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type NamerdServer, startNamerd } from '../support/namerd.ts';
import { within } from '../support/waiting.ts';
import { answering, namerctlOf, type Ran, type TestTerminal } from './setup.ts';

interface Watching {
  readonly ended: Promise<Ran>;
  interrupt(): void;
  /** Resolves when standard output and error together match. */
  said(pattern: RegExp): Promise<void>;
}

function watching(t: TestContext, { url }: { readonly url: string }, args: readonly string[], more: TestTerminal = {}) {
  const interruption = new AbortController();
  let output = '';
  let changed = Promise.withResolvers<void>();
  const take = (text: string) => {
    output += text;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const ended = namerctlOf({ url })(['watch', ...args], {
    ...more,
    interruption: () => interruption.signal,
    print: take,
    complain: take,
  });
  t.after(() => interruption.abort());
  const self: Watching = {
    ended,
    interrupt: () => interruption.abort(),
    said: async pattern => {
      while (!pattern.test(output)) await within(changed.promise, `${pattern} in:\n${output}`);
      output = output.slice(output.search(pattern));
    },
  };
  return self;
}

const time = '# \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\n';

async function changing(t: TestContext): Promise<NamerdServer> {
  const namerd = await startNamerd(t);
  namerd.setDtab('default', '/svc=>/a');
  return namerd;
}

test('the dtab comes first, then each change as a diff; Ctrl-C ends it well', async t => {
  const namerd = await changing(t);
  const watch = watching(t, namerd, ['default']);
  await watch.said(new RegExp(`^${time}/svc  => /a ;\n$`));
  namerd.setDtab('default', '/svc=>/a;/new=>/b');
  await watch.said(new RegExp(`${time} /svc  => /a ;\n\\+/new  => /b ;\n$`));
  namerd.setDtab('default', '/new=>/b');
  await watch.said(new RegExp(`${time}-/svc  => /a ;\n /new  => /b ;\n$`));
  watch.interrupt();
  assert.equal((await watch.ended).code, 0);
  await namerd.untilWatches(0);
});

test('--json prints the whole dtab on a line for every change', async t => {
  const namerd = await changing(t);
  const watch = watching(t, namerd, ['default', '--json']);
  await watch.said(/^\{"namespace":"default","at":"[^"]+","dtab":\[\{"prefix":"\/svc","dst":"\/a"\}\]\}\n$/);
  watch.interrupt();
  assert.equal((await watch.ended).code, 0);
});

test('a connection that is cut is made again, and what is the same is not told again', async t => {
  const namerd = await changing(t);
  const watch = watching(t, namerd, ['default']);
  await watch.said(/\/svc {2}=> \/a ;\n$/);
  await namerd.stop();
  await watch.said(/; trying again\n/);
  await namerd.start();
  await watch.said(/answers again\n$/);
  namerd.setDtab('default', '/svc=>/b');
  await watch.said(/answers again\n# .*\n-\/svc {2}=> \/a ;\n\+\/svc {2}=> \/b ;\n$/);
});

test('a namespace that does not exist is waited for, and that is said', async t => {
  const namerd = await startNamerd(t);
  const watch = watching(t, namerd, ['new']);
  await watch.said(/^namerctl: namespace new does not exist at .*; waiting for it\n$/);
  await namerd.untilWatches(1);
  namerd.setDtab('new', '/a=>/b');
  await watch.said(/\/a {2}=> \/b ;\n$/);
});

test('a server that refuses ends it', async t => {
  const server = await answering(t, () => ({ status: 403, body: 'not yours' }));
  const watch = watching(t, server, ['default']);
  assert.equal((await watch.ended).code, 77);
  await watch.said(/does not allow this \(403\): not yours\nPerhaps it wants a token: /);
});
