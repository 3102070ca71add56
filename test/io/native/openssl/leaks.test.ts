/** The engine frees all memory that OpenSSL has allocated for connections and contexts: nothing else would free it. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createAuthority } from '../../../support/certificates.ts';
import { sized } from '../../../support/size.ts';
import { clientContext, identityOf, serverContext, ticketKey } from '../../tls/fixtures.ts';
import { Ends, securePair } from './rig.ts';

const authority = createAuthority({ after });
const issued = authority.issue({ names: ['server.test'] });
const client = authority.issue({ subject: '/CN=client', client: true });

/**
 * The least of three times that `body` is done so often, after it has been done half as often: what leaks grows every time, the
 * engine's own heap only now and then.
 */
function growthMiB(times: number, body: () => void): number {
  for (let i = 0; i < times / 2; i++) body();
  const growths = [1, 2, 3].map(() => {
    const before = process.memoryUsage.rss();
    for (let i = 0; i < times; i++) body();
    return (process.memoryUsage.rss() - before) / 2 ** 20;
  });
  return Math.min(...growths);
}

const common = {
  clientAuth: 'required',
  trust: authority.certificate,
  protocols: ['h2'],
  staple: Buffer.alloc(500),
  ticketKeys: [ticketKey(1)],
} as const;
const identity = identityOf(client);

test('connections, resumed or not, ended or not, leave nothing behind', () => {
  const ends = new Ends(64, 16 * 1024, false);
  const server = ends.define(serverContext(issued, common));
  const clients = [true, false].map(resume =>
    ends.define(clientContext(authority, { resume, identity, protocols: ['h2'] })),
  );
  const halfway = new Ends(64, 16 * 1024, false);
  const asking = halfway.define(clientContext(authority));
  let count = 0;
  const growth = growthMiB(sized({ quick: 300, full: 2_000 }), () => {
    const pair = securePair(ends, clients[count++ % 2], server);
    pair.client.write(Buffer.alloc(1000));
    if (count % 3 === 0) pair.client.stream.end();
    pair.server.receive(Buffer.concat(pair.client.sent));
    pair.client.stream.destroy();
    pair.server.stream.destroy();
    ends.forgetEnds();
    // One that never gets an answer, and one that gets a wrong one.
    const left = halfway.connect(asking);
    if (count % 2 === 0) left.receive(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
    left.stream.destroy();
    halfway.forgetEnds();
  });
  assert.equal(ends.pool.inUse + halfway.pool.inUse, 0);
  // An SSL is some 50 KiB, a session with a certificate 4.
  assert.ok(growth < 4, `${growth} MiB`);
});

test('contexts defined repeatedly, or without success, leave nothing behind', () => {
  const ends = new Ends(64, 16 * 1024, false);
  const server = ends.define(serverContext(issued, common));
  const asking = ends.define(clientContext(authority, { resume: true, identity }));
  let count = 0;
  const growth = growthMiB(sized({ quick: 200, full: 400 }), () => {
    ends.engine.define(server, serverContext(issued, common));
    assert.throws(() => ends.engine.define(server, serverContext(issued, { ...common, groups: 'none' })));
    // Each has a store of its own: the text is another one.
    const trust = `${authority.certificate}\n${++count}\n`;
    ends.engine.define(asking, clientContext(authority, { resume: true, identity, trust }));
    if (count % 10 === 0) {
      const pair = securePair(ends, asking, server);
      ends.engine.forget(asking);
      pair.client.stream.destroy();
      pair.server.stream.destroy();
    }
    ends.forgetEnds();
  });
  assert.ok(growth < 4, `${growth} MiB`);
});
