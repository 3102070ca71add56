/** Certificates that are replaced while clients come: each new one is in force soon, and no handshake ever fails. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { driverKinds } from '../../src/io/drivers/choose-driver.ts';
import { createAuthority, type Issued } from '../support/certificates.ts';
import { sized } from '../support/size.ts';
import { backend, greets } from '../support/tls-peers.ts';
import { startTlsProxy, type TlsProxy } from '../support/tls-proxy.ts';
import { until, within } from '../support/waiting.ts';

/** So many pairs of files, each for a name of its own, are replaced at once, so many times. */
const pairs = 50;
const rounds = sized({ quick: 4, full: 20 });

const names = Array.from({ length: pairs }, (_, i) => `n${i}.test`);
const ca = createAuthority({ after });
const [even, odd] = [ca.issue({ names }), ca.issue({ names })];
const stranger = ca.issue({ names });

const serialOf = ({ certificate }: Issued): string => new X509Certificate(certificate).serialNumber;

/** A whole session: the certificate's serial number. */
async function shake(port: number, servername: string): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, servername, ca: ca.certificate });
  try {
    await within(once(socket, 'secureConnect'), `a handshake with ${servername}`);
    const { serialNumber } = socket.getPeerX509Certificate() as X509Certificate;
    await within(once(socket.resume(), 'end'), 'the answer');
    return serialNumber;
  } finally {
    socket.destroy();
  }
}

const write = ({ folder }: Pick<TlsProxy, 'folder'>, name: string, { chain, key }: Issued): void => {
  folder.write(`${name}/cert.pem`, chain);
  folder.write(`${name}/key.pem`, key);
};

for (const driver of driverKinds)
  test(`${driver}: ${pairs * rounds} swaps of certificates under load, and no failed handshake`, async t => {
    const { port: upstream } = await backend(t, net.createServer(greets('hello')));
    const files = Object.fromEntries(
      names.flatMap(name => [
        [`${name}/cert.pem`, odd.chain],
        [`${name}/key.pem`, odd.key],
      ]),
    );
    const identities = Object.fromEntries(
      names.map(name => [name, { certs: [`${name}/cert.pem`], privateKey: `${name}/key.pem` }]),
    );
    const proxy = await startTlsProxy(
      t,
      { driver, workers: 2, disco: { web: [upstream] }, servers: { '/svc/web': { tls: { identities } } } },
      { files },
    );
    // A pair that is read between the two writes is bad for a moment, and then used again.
    const inForce = (): number =>
      proxy.program.output.split(/(?:changed|recovered); new handshakes use the new content/).length - 1;

    /** Workers hear of it a moment after the log does. */
    const shows = (name: string, issued: Issued): Promise<true> =>
      until(async () => (await shake(proxy.port, name)) === serialOf(issued), `${name} to show what is in force`);
    let isOver = false;
    let handshakes = 0;
    const client = async (lane: number): Promise<void> => {
      for (let i = lane; !isOver; i++, handshakes++) {
        const serial = await shake(proxy.port, names[i % pairs] as string);
        assert.ok(serial === serialOf(even) || serial === serialOf(odd));
      }
    };
    const operator = async (): Promise<void> => {
      try {
        for (let round = 0; round < rounds; round++) {
          const next = round % 2 === 0 ? even : odd;
          for (const name of names) write(proxy, name, next);
          await until(
            () => inForce() >= (round + 1) * pairs,
            () => `all of round ${round} to be in force, not ${inForce()}`,
            { everyMs: 5 },
          );
          const name = names[round % pairs] as string;
          await shows(name, next);
        }
      } finally {
        isOver = true;
      }
    };
    const start = performance.now();
    await Promise.all([operator(), client(0), client(7)]);
    t.diagnostic(`${handshakes} handshakes in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    assert.equal(inForce(), pairs * rounds, 'each swap took effect once');
    assert.equal(await proxy.metric('l5d:srv:tls:failure'), 0);
    assert.equal(await proxy.metric('l5d:srv:failures'), 0);

    await t.test('a bad pair is logged, the previous one stays in effect, and the next good one is used', async () => {
      const [name] = names as [string];
      const expected = await shake(proxy.port, name);
      const from = proxy.program.output.length;
      const said = (pattern: RegExp) => proxy.program.printed(pattern, { from });
      proxy.folder.write(`${name}/cert.pem`, 'this is no certificate\n');
      await said(/the certificate in \S*n0\.test\/cert\.pem changed and cannot be used; the previous content stays/);
      assert.equal(await shake(proxy.port, name), expected);
      proxy.folder.write(`${name}/cert.pem`, stranger.chain);
      await said(/the key in \S+ does not belong to the certificate in/);
      assert.equal(await shake(proxy.port, name), expected);
      proxy.folder.write(`${name}/key.pem`, stranger.key);
      await said(/the certificate in \S*n0\.test\/cert\.pem recovered; new handshakes/);
      await shows(name, stranger);
    });
  });
