/** Relays on {@link FakeTls}, and the steps their tests are made of. */
import type { ClientPolicy } from '../../src/proxy/messages.ts';
import type { ConnectionRecord } from '../../src/proxy/record.ts';
import { helloMessage, recordsOf } from './client-hello.ts';
import type { FakeSocket } from './fake-driver.ts';
import { type FakeRelay, type FakeRelayOptions, fakeRelay } from './fake-relay.ts';
import { type FakeTlsStream, fakeContext } from './fake-tls.ts';

export const hello = { timeoutMs: 1_000, mostBytes: 16_384 };
/** Ids of contexts. */
export const [web, wild, fallback, toEndpoints, toOthers] = [1, 2, 3, 11, 12];
export const identities = { exact: { 'web.test': web }, wildcard: { '.wild.test': wild }, fallback };
export const clientTls = { context: toEndpoints, serverName: 'endpoint.test' };
export const failFast = { maxConsecutiveFailures: 1, penaltyMs: 60_000, maxPenaltyMs: 60_000, jitter: 0 };

function knowing(made: FakeRelay): FakeRelay {
  const tell = (id: number, role: 'server' | 'client'): void =>
    made.relay.worker.tell({ type: 'tls', id, context: fakeContext(role) });
  for (const id of [web, wild, fallback]) tell(id, 'server');
  for (const id of [toEndpoints, toOthers]) tell(id, 'client');
  return made;
}

/** TLS ends at the listener, and endpoints speak plaintext. */
export const serving = (options: FakeRelayOptions = {}): FakeRelay =>
  knowing(
    fakeRelay({
      upstreams: [1001],
      chunkBytes: 10_000,
      identities,
      ...options,
      listener: { hello, ...options.listener },
    }),
  );

/** Clients speak plaintext, and endpoints TLS. */
export const reaching = (client: Partial<ClientPolicy> = {}, options: FakeRelayOptions = {}): FakeRelay =>
  knowing(fakeRelay({ upstreams: [1001], ...options, client: { tls: clientTls, ...client } }));

let hellos = 0;

/** A client that has sent its ClientHello, which is like no other one's. */
export function greeting(made: FakeRelay, serverName?: string): FakeSocket {
  const client = made.client();
  const own = Uint8Array.of(++hellos >> 8, hellos & 0xff);
  const message = helloMessage({ others: [[4000, own]], ...(serverName !== undefined && { serverName }) });
  client.hello = new Uint8Array(recordsOf(message));
  client.send(client.hello.length);
  made.driver.settle();
  return client;
}

/** A client that is secured. */
export function secured(
  made: FakeRelay,
  serverName?: string,
  details?: Parameters<FakeTlsStream['agree']>[0],
): FakeSocket {
  const client = greeting(made, serverName);
  made.tls.of(client).agree(details);
  made.driver.settle();
  return client;
}

/** Completes pending connects. @returns the connected sockets, the newest last */
export function connectAll({ driver }: FakeRelay): FakeSocket {
  for (const attempt of driver.upstreams()) if (attempt.connecting) attempt.outcome = 0;
  driver.settle();
  return driver.upstreams().at(-1) as FakeSocket;
}

export function agreeAll({ driver, tls }: FakeRelay): void {
  for (const stream of tls.undecided) stream.agree();
  driver.settle();
}

export function failAll({ driver, tls }: FakeRelay, text: string): void {
  for (const stream of tls.undecided) stream.fail('untrusted', text);
  driver.settle();
}

export const ends = ({ relay }: FakeRelay): readonly string[] => relay.records.map(({ end }) => end);
export const record = ({ relay }: FakeRelay): ConnectionRecord => relay.records[0] as ConnectionRecord;
export const asked = ({ relay }: FakeRelay): readonly string[] =>
  relay.messages.flatMap(message => (message.type === 'asked' ? [message.name] : []));
export const notices = ({ relay }: FakeRelay): readonly string[] =>
  relay.messages.flatMap(message => (message.type === 'notice' ? [message.text] : []));
export const srv = ({ relay }: FakeRelay, series: string, labels = ''): number =>
  relay.metric(`l5d:srv:tls:${series}`, labels);
export const cl = ({ relay }: FakeRelay, series: string, labels = ''): number =>
  relay.metric(`l5d:client:tls:${series}`, labels);
