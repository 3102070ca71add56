/**
 * One question to one server: UDP, and TCP where the answer does not fit or must be believed.
 *
 * Each question has a socket of its own, so the kernel draws a new source port and refuses packets of other senders.
 */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { type Question, questionMessage, type Reply, replyTo, type SentQuestion } from './message.ts';
import type { DnsServer } from './resolv-conf.ts';

/** @param signal ends the wait; the promise then rejects with its reason */
export async function askServer(
  server: DnsServer,
  question: Question,
  useTcp: boolean,
  signal: AbortSignal,
): Promise<Reply> {
  const reply = await askOnce(server, questionMessage(question), useTcp, signal);
  // Servers older than EDNS call it a malformed question.
  const isOld = reply.code === 'FORMERR' || reply.code === 'NOTIMP';
  return isOld ? askOnce(server, questionMessage(question, false), useTcp, signal) : reply;
}

async function askOnce(server: DnsServer, sent: SentQuestion, useTcp: boolean, signal: AbortSignal): Promise<Reply> {
  signal.throwIfAborted();
  const reply = useTcp ? undefined : await overUdp(server, sent, signal);
  return reply === undefined || reply.isTruncated ? overTcp(server, sent, signal) : reply;
}

/** `undefined` where the answer came in another letter case: over TCP it cannot be a forgery. */
function overUdp({ ip, port }: DnsServer, sent: SentQuestion, signal: AbortSignal): Promise<Reply | undefined> {
  return new Promise((resolve, reject) => {
    // The address is numeric; without this, node would ask the thread pool.
    const lookup = (host: string, _options: unknown, done: (error: null, ip: string, family: number) => void) =>
      done(null, host, isIPv6(host) ? 6 : 4);
    const socket = createSocket({ type: isIPv6(ip) ? 'udp6' : 'udp4', lookup: lookup as never }).unref();
    const cut = () => fail(signal.reason);
    const over = () => {
      signal.removeEventListener('abort', cut);
      socket.close();
    };
    const fail = (error: unknown) => {
      over();
      reject(error);
    };
    signal.addEventListener('abort', cut);
    socket.once('error', fail);
    socket.on('message', bytes => {
      const reply = replyTo(sent, bytes, false);
      if (reply === undefined) return;
      over();
      resolve(reply === 'case' ? undefined : reply);
    });
    socket.connect(port, ip, () => {
      if (!signal.aborted) socket.send(sent.bytes);
    });
  });
}

function overTcp({ ip, port }: DnsServer, sent: SentQuestion, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ip, port, noDelay: true }).unref();
    let received = Buffer.alloc(0);
    const cut = () => fail(signal.reason);
    const over = () => {
      signal.removeEventListener('abort', cut);
      socket.destroy();
    };
    const fail = (error: unknown) => {
      over();
      reject(error);
    };
    signal.addEventListener('abort', cut);
    socket.on('error', fail);
    socket.on('end', () => fail(new Error('closed the connection before its answer was complete')));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      // At most 65 537 bytes: the length is two bytes.
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = replyTo(sent, received.subarray(2, 2 + received.readUInt16BE(0)), true);
      if (reply === undefined) return fail(new Error('answered another question'));
      over();
      resolve(reply);
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(sent.bytes.length);
    socket.write(Buffer.concat([length, sent.bytes]));
  });
}
