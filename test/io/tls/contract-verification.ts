/** Verification of peers: servers by chain, name, date and revocation; clients by what the server asks of them. */
import assert from 'node:assert/strict';
import type { TlsClientContext, TlsServerContext, TlsVersion } from '../../../src/io/tls/context.ts';
import type { TroubleKind } from '../../../src/io/tls/trouble.ts';
import type { Issued } from '../../support/certificates.ts';
import type { ContractParts } from './engine-contract.ts';
import { askingNode, clientContext, identityOf, serverContext, servingNode } from './fixtures.ts';

const versions: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');

export function verificationContract({ promise, certificates, traits }: ContractParts): void {
  const { authority, stranger, server, wildcard, expired, revoked, strangeServer, crl } = certificates;
  const { client, revokedClient, strangeClient } = certificates;

  // ---- servers, verified by clients -----------------------------------------------------------------------------------

  interface Judged {
    readonly title: string;
    readonly issued: Issued;
    readonly serverName?: string;
    readonly context?: Partial<TlsClientContext>;
    /** undefined: accepted. */
    readonly kind?: TroubleKind;
    readonly alert?: RegExp;
  }
  const judged: readonly Judged[] = [
    { title: 'of a stranger', issued: strangeServer, kind: 'untrusted', alert: /unknown ca/ },
    { title: 'out of date', issued: expired, kind: 'expired', alert: /certificate expired/ },
    { title: 'for another name', issued: server, serverName: 'elsewhere.test', kind: 'name_mismatch' },
    { title: 'for its second name', issued: server, serverName: 'other.test' },
    { title: 'for a wildcard', issued: wildcard, serverName: 'a.wild.test' },
    { title: 'for a wildcard one label short', issued: wildcard, serverName: 'wild.test', kind: 'name_mismatch' },
    { title: 'for a wildcard two labels away', issued: wildcard, serverName: 'a.b.wild.test', kind: 'name_mismatch' },
    { title: 'for its IPv4 address', issued: server, serverName: '127.0.0.1' },
    { title: 'for its IPv6 address', issued: server, serverName: '::1' },
    { title: 'for another address', issued: server, serverName: '127.0.0.2', kind: 'name_mismatch' },
    { title: 'on no list of those revoked', issued: server, context: { crls: crl } },
    {
      title: 'that was revoked',
      issued: revoked,
      context: { crls: crl },
      kind: 'revoked',
      alert: /certificate revoked/,
    },
    {
      title: 'no list covers',
      issued: strangeServer,
      context: { crls: crl, trust: stranger.certificate },
      kind: 'untrusted',
    },
    { title: 'when nobody is trusted', issued: server, context: { trust: '' }, kind: 'untrusted' },
    {
      title: 'of either of two authorities',
      issued: strangeServer,
      context: { trust: `${authority.certificate}${stranger.certificate}` },
    },
    { title: 'of a stranger, unverified', issued: strangeServer, serverName: 'any.test', context: { verify: false } },
  ];
  for (const { title, issued, serverName, context, kind, alert } of judged) {
    for (const version of versions) {
      const outcome = kind === undefined ? 'is believed' : `is ${kind}`;
      promise(`${version}: a server’s certificate ${title} ${outcome}`, async bench => {
        const { near, far } = askingNode(
          bench,
          clientContext(authority, { mostVersion: version, ...context }),
          { cert: issued.chain, key: issued.key },
          serverName,
        );
        near.read();
        await bench.until(() => near.details || near.trouble, 'the verdict');
        assert.equal(near.trouble?.kind, kind);
        if (kind !== undefined) {
          assert.ok(!near.told.includes('secured'));
          if (traits.judgesInHandshake) {
            await bench.until(() => far.error, 'the alert');
            assert.match(String(far.error?.reason), alert ?? /alert/);
          }
          return;
        }
        const told = near.details?.peerCertificate ?? null;
        assert.deepEqual(told && Buffer.from(told), context?.verify === false ? null : derOf(issued.certificate));
        await bench.until(() => far.isSecure, 'the handshake of the server');
        far.write('hello');
        await bench.until(() => near.text === 'hello', 'what is said');
      });
    }
  }

  promise('a server whose chain has an intermediate authority is accepted', async bench => {
    const issued = authority.intermediate('Between').issue({ names: ['server.test'] });
    const { near } = askingNode(bench, clientContext(authority), { cert: issued.chain, key: issued.key });
    await bench.until(() => near.details || near.trouble, 'the verdict');
    assert.equal(near.trouble, undefined);
  });

  promise('a server that forgets its intermediate authority is untrusted', async bench => {
    const issued = authority.intermediate('Between').issue({ names: ['server.test'] });
    const { near } = askingNode(bench, clientContext(authority), { cert: issued.certificate, key: issued.key });
    await bench.until(() => near.details || near.trouble, 'the verdict');
    assert.equal(near.trouble?.kind, 'untrusted');
  });

  // ---- clients, verified by servers -----------------------------------------------------------------------------------

  const asking = (clientAuth: TlsServerContext['clientAuth'], more: Partial<TlsServerContext> = {}): TlsServerContext =>
    serverContext(server, { clientAuth, trust: authority.certificate, ...more });

  interface Client {
    readonly title: string;
    readonly shown: Issued | undefined;
    readonly context: TlsServerContext;
    readonly kind?: TroubleKind;
    readonly alert?: RegExp;
    /** Whether its certificate is reported. */
    readonly isTold?: boolean;
  }
  const clients: readonly Client[] = [
    { title: 'that need not show a certificate does not', shown: client, context: asking('none') },
    { title: 'that may show a certificate need not', shown: undefined, context: asking('optional') },
    { title: 'that may show a certificate is known', shown: client, context: asking('optional'), isTold: true },
    { title: 'that must show a certificate is known', shown: client, context: asking('required'), isTold: true },
    {
      title: 'that must show a certificate and does not is refused',
      shown: undefined,
      context: asking('required'),
      kind: 'no_certificate',
    },
    {
      title: 'of a stranger is refused',
      shown: strangeClient,
      context: asking('required'),
      kind: 'untrusted',
      alert: /unknown ca/,
    },
    {
      title: 'of a stranger is refused even where none is needed',
      shown: strangeClient,
      context: asking('optional'),
      kind: 'untrusted',
    },
    { title: 'that is on no list is known', shown: client, context: asking('required', { crls: crl }), isTold: true },
    {
      title: 'that was revoked is refused',
      shown: revokedClient,
      context: asking('required', { crls: crl }),
      kind: 'revoked',
      alert: /certificate revoked/,
    },
    {
      title: 'with a server’s certificate is refused',
      shown: server,
      context: asking('required'),
      kind: 'untrusted',
    },
  ];
  for (const { title, shown, context, kind, alert, isTold } of clients) {
    for (const version of versions) {
      promise(`${version}: a client ${title}`, async bench => {
        const { near, far } = servingNode(bench, context, {
          maxVersion: version,
          ...(shown && { cert: shown.chain, key: shown.key }),
        });
        near.read();
        await bench.until(() => near.details || near.trouble, 'the verdict');
        assert.equal(near.trouble?.kind, kind);
        if (kind === undefined) {
          const told = near.details?.peerCertificate ?? null;
          assert.deepEqual(told && Buffer.from(told), isTold ? derOf(client.certificate) : null);
          return;
        }
        assert.ok(!near.told.includes('secured'));
        if (!traits.judgesInHandshake && kind !== 'no_certificate') return;
        await bench.until(() => far.error, 'the alert');
        assert.match(String(far.error?.reason), alert ?? /alert/);
      });
    }
  }

  for (const version of versions) {
    promise(`${version}: a client shows its certificate to a server that asks`, async bench => {
      const context = clientContext(authority, { mostVersion: version, identity: identityOf(client) });
      const { near, far } = askingNode(bench, context, {
        ...{ cert: server.chain, key: server.key, ca: authority.certificate },
        ...{ requestCert: true, rejectUnauthorized: true },
      });
      await bench.until(() => near.details && far.isSecure, 'the handshake');
      assert.deepEqual(far.tls.getPeerX509Certificate()?.raw, derOf(client.certificate));
    });

    promise(
      `${version}: a client without the certificate that a server requires receives the reason of the refusal`,
      async bench => {
        const { near } = askingNode(bench, clientContext(authority, { mostVersion: version }), {
          ...{ cert: server.chain, key: server.key, ca: authority.certificate },
          ...{ requestCert: true, rejectUnauthorized: true },
        });
        near.read();
        await bench.until(() => near.trouble, 'the refusal');
        assert.equal(near.trouble?.kind, 'alert');
        assert.match(String(near.trouble?.text), /wants a certificate/);
      },
    );
  }
}
