/** Sessions: resumed by ticket wherever the keys are known, and never where the rules for them have changed. */
import assert from 'node:assert/strict';
import type { ConnectionOptions } from 'node:tls';
import type { TlsServerContext, TlsVersion } from '../../../src/io/tls/context.ts';
import type { ContractParts } from './engine-contract.ts';
import { askingNode, both, clientContext, identityOf, serverContext, servingNode, ticketKey } from './fixtures.ts';
import { Bench } from './rig.ts';

const versions: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

export function sessionContract({ promise, certificates, create, traits }: ContractParts): void {
  const { authority, server, client } = certificates;

  const withKeys = (...keys: readonly number[]): Partial<TlsServerContext> => ({ ticketKeys: keys.map(ticketKey) });

  for (const version of versions) {
    /** A session of a client of node:tls with this server. */
    const sessionWith = async (
      bench: Bench,
      context: TlsServerContext,
      options: ConnectionOptions = {},
    ): Promise<Buffer> => {
      const { near, far } = servingNode(bench, context, { maxVersion: version, ...options });
      near.read();
      await bench.until(() => near.details && far.sessions.length > 0, 'a session');
      return far.sessions.at(-1) as Buffer;
    };

    /** Whether a server resumes it. @returns the resulting session, if any */
    const resume = async (
      bench: Bench,
      context: TlsServerContext,
      session: Buffer,
      isResumed: boolean,
      options: ConnectionOptions = {},
    ): Promise<Buffer | undefined> => {
      const { near, far } = servingNode(bench, context, { maxVersion: version, session, ...options });
      near.read();
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.equal(near.details?.resumed, isResumed);
      assert.equal(far.tls.isSessionReused(), isResumed);
      far.write('hello');
      await bench.until(() => near.text === 'hello', 'what is said');
      near.write('world');
      await bench.until(() => far.text === 'world', 'what is said');
      // Node reports no session of a TLS 1.2 handshake that resumes one, though its ticket may be another.
      return version === 'TLSv1.2' ? far.tls.getSession() : far.sessions.at(-1);
    };

    promise(`${version}: a session is resumed, by another engine with the same keys too`, async (bench, t) => {
      const context = serverContext(server, withKeys(1));
      const session = await sessionWith(bench, context);
      await resume(bench, context, session, true);
      await resume(new Bench(t, create), context, session, true);
    });

    promise(`${version}: a session is resumed after its key was replaced, until it is removed`, async (bench, t) => {
      const session = await sessionWith(bench, serverContext(server, withKeys(1)));
      const later = serverContext(server, withKeys(2, 1));
      const renewed = await resume(new Bench(t, create), later, session, true);
      await resume(new Bench(t, create), serverContext(server, withKeys(3, 2)), session, false);
      if (!traits.renewsTickets) return;
      assert.ok(renewed, 'a renewed ticket');
      await resume(new Bench(t, create), serverContext(server, withKeys(2)), renewed, true);
    });

    promise(`${version}: a session is not resumed with other keys, or none`, async (bench, t) => {
      const session = await sessionWith(bench, serverContext(server, withKeys(1)));
      await resume(new Bench(t, create), serverContext(server, withKeys(2)), session, false);
      await resume(new Bench(t, create), serverContext(server), session, false);
    });

    promise(`${version}: a session is not resumed by a key of the same name and other bytes`, async (bench, t) => {
      const session = await sessionWith(bench, serverContext(server, withKeys(1)));
      const forged = ticketKey(1);
      forged.fill(0, 16);
      await resume(new Bench(t, create), serverContext(server, { ticketKeys: [forged] }), session, false);
    });

    promise(`${version}: a session is not resumed under another binding`, async (bench, t) => {
      const session = await sessionWith(bench, serverContext(server, withKeys(1)));
      const other = serverContext(server, { ...withKeys(1), binding: new Uint8Array(32).fill(2) });
      await resume(bench, other, session, false);
      await resume(new Bench(t, create), other, session, false);
      // Only the last byte differs.
      const binding = new Uint8Array(32).fill(1);
      binding[31] = 2;
      await resume(new Bench(t, create), serverContext(server, { ...withKeys(1), binding }), session, false);
    });

    promise(`${version}: a server without keys gives no tickets`, async bench => {
      const { near, far } = servingNode(bench, serverContext(server), { maxVersion: version });
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      near.write('hello');
      await bench.until(() => far.text === 'hello', 'what is said');
      for (const session of far.sessions) await resume(bench, serverContext(server), session, false);
    });

    promise(`${version}: a resumed session still knows the client by its certificate`, async bench => {
      const shown = { cert: client.chain, key: client.key };
      const context = serverContext(server, {
        ...withKeys(1),
        clientAuth: 'required',
        trust: authority.certificate,
      });
      const session = await sessionWith(bench, context, shown);
      const { near } = servingNode(bench, context, { maxVersion: version, session, ...shown });
      await bench.until(() => near.details, 'the handshake');
      assert.equal(near.details?.resumed, true);
      assert.ok(near.details?.peerCertificate);
    });

    // ---- clients --------------------------------------------------------------------------------------------------------

    /** Talks for long enough to have a ticket. @returns whether it was resumed */
    const ask = async (
      bench: Bench,
      clientId: number,
      serverId: number,
      name = 'server.test',
      endpoint = '192.0.2.1:443',
    ): Promise<boolean> => {
      const { near, far } = both(bench, clientId, bench, serverId, name, endpoint);
      near.read();
      far.read();
      await bench.until(() => near.details && far.details, 'the handshake');
      near.write('hello');
      await bench.until(() => far.text === 'hello', 'what is said');
      far.write('world');
      await bench.until(() => near.text === 'world', 'what is said');
      near.destroy();
      far.destroy();
      assert.equal(near.details?.resumed, far.details?.resumed);
      return near.details?.resumed === true;
    };

    promise(
      `${version}: a client resumes its session with the same name and endpoint, and with no other`,
      async bench => {
        const serverId = bench.define(serverContext(server, withKeys(1)));
        const context = clientContext(authority, { mostVersion: version, resume: true });
        const clientId = bench.define(context);
        assert.equal(await ask(bench, clientId, serverId), false);
        assert.equal(await ask(bench, clientId, serverId), true);
        assert.equal(await ask(bench, clientId, serverId), true);
        assert.equal(await ask(bench, clientId, serverId, 'other.test'), false);
        assert.equal(await ask(bench, clientId, serverId, 'server.test', '192.0.2.2:443'), false);
        assert.equal(await ask(bench, bench.define(context), serverId), false);
        bench.engine.define(clientId, context);
        assert.equal(await ask(bench, clientId, serverId), false);
      },
    );

    promise(`${version}: a client resumes its session with an address`, async bench => {
      const serverId = bench.define(serverContext(server, withKeys(1)));
      const clientId = bench.define(clientContext(authority, { mostVersion: version, resume: true }));
      assert.equal(await ask(bench, clientId, serverId, '127.0.0.1'), false);
      assert.equal(await ask(bench, clientId, serverId, '127.0.0.1'), true);
    });

    promise(`${version}: a client that is not to resume does not`, async bench => {
      const serverId = bench.define(serverContext(server, withKeys(1)));
      const clientId = bench.define(clientContext(authority, { mostVersion: version, resume: false }));
      assert.equal(await ask(bench, clientId, serverId), false);
      assert.equal(await ask(bench, clientId, serverId), false);
    });

    promise(`${version}: a resumed client still reports the certificate it has verified`, async bench => {
      const serverId = bench.define(serverContext(server, withKeys(1)));
      const clientId = bench.define(
        clientContext(authority, { mostVersion: version, resume: true, identity: identityOf(client) }),
      );
      assert.equal(await ask(bench, clientId, serverId), false);
      const { near } = both(bench, clientId, bench, serverId);
      await bench.until(() => near.details, 'the handshake');
      assert.equal(near.details?.resumed, true);
      assert.ok(near.details?.peerCertificate);
    });
  }

  promise('a client whose ticket is no longer known does a full handshake', async bench => {
    const clientId = bench.define(clientContext(authority, { resume: true }));
    for (let round = 0; round < 2; round++) {
      const { near, far } = askingNode(bench, clientId, { cert: server.chain, key: server.key });
      near.read();
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.equal(near.details?.resumed, false);
      far.write('hello');
      await bench.until(() => near.text === 'hello', 'what is said');
    }
  });
}
