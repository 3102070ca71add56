/** A DNS server of the tests, over UDP and TCP on one port: it answers what the test says, or lies, drops, truncates, waits. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import type { Scope } from './scope.ts';

export interface Asked {
  /** In lower case. */
  readonly name: string;
  readonly type: string;
  readonly over: 'udp' | 'tcp';
}

export interface Behaviour {
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  /** 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number;
  readonly isTruncated?: boolean;
  /** Packets that are sent before the answer: each is the answer with these changes. */
  readonly lies?: readonly { readonly id?: number; readonly name?: string; readonly answers?: readonly Answer[] }[];
  readonly isLowerCased?: boolean;
  readonly delayMs?: number;
}

export type Answering = (asked: Asked) => Behaviour | 'drop';

export interface FakeDnsServer {
  readonly port: number;
  readonly asked: readonly Asked[];
  /** Ids and source ports of the questions. */
  readonly seen: readonly { readonly id: number; readonly port: number; readonly name: string }[];
  answering: Answering;
}

export const a = (name: string, ip: string, ttl = 60): Answer => ({ type: 'A', name, ttl, data: ip });
export const aaaa = (name: string, ip: string, ttl = 60): Answer => ({ type: 'AAAA', name, ttl, data: ip });
export const cname = (name: string, to: string, ttl = 60): Answer => ({ type: 'CNAME', name, ttl, data: to });
export const soa = (name: string, minimum: number): Answer => ({
  type: 'SOA',
  name,
  ttl: 3600,
  data: { mname: 'ns', rname: 'admin', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});
export const nxdomain: Behaviour = { rcode: 3 };

/** Answers with A records of `names`; other names do not exist, other types have no data. */
export const zone =
  (names: Readonly<Record<string, readonly string[]>>): Answering =>
  ({ name, type }) => {
    const ips = names[name];
    if (ips === undefined) return nxdomain;
    return { answers: type === 'A' ? ips.map(ip => a(name, ip)) : [] };
  };

export async function fakeDnsServer(
  t: Scope,
  answering: Answering,
  { ip = '127.0.0.1', port = 0 } = {},
): Promise<FakeDnsServer> {
  const asked: Asked[] = [];
  const seen: { id: number; port: number; name: string }[] = [];
  const server = { asked, seen, answering, port: 0 };
  const timers = new Set<NodeJS.Timeout>();

  const replies = (
    bytes: Buffer,
    over: 'udp' | 'tcp',
    port: number,
  ): { behaviour: Behaviour; packets: Buffer[] } | undefined => {
    const packet = decode(bytes);
    const [question] = packet.questions ?? [];
    const one: Asked = { name: question.name.toLowerCase(), type: question.type, over };
    asked.push(one);
    seen.push({ id: packet.id ?? 0, port, name: question.name });
    const behaviour = server.answering(one);
    if (behaviour === 'drop') return undefined;
    const { answers = [], authorities = [], rcode = 0, isTruncated, lies = [], isLowerCased } = behaviour;
    const reply: Packet = {
      type: 'response',
      id: packet.id,
      flags: 0x180 | rcode | (isTruncated && over === 'udp' ? 0x200 : 0),
      questions: [{ ...question, name: isLowerCased ? one.name : question.name }],
      answers: isTruncated && over === 'udp' ? [] : [...answers],
      authorities: [...authorities],
    };
    const lied = lies.map(({ id = packet.id, name = question.name, answers: false_ = answers }) =>
      encode({ ...reply, id, questions: [{ ...question, name }], answers: [...false_] }),
    );
    return { behaviour, packets: [...lied, encode(reply)] };
  };
  const later = (delayMs: number | undefined, send: () => void) => {
    if (delayMs === undefined) return send();
    const timer = setTimeout(() => {
      timers.delete(timer);
      send();
    }, delayMs);
    timers.add(timer);
  };

  const { tcp, udp } = await bothOnOnePort(ip, port);
  server.port = (tcp.address() as AddressInfo).port;
  udp.on('message', (bytes, { port, address }) => {
    const reply = replies(bytes, 'udp', port);
    if (reply === undefined) return;
    later(reply.behaviour.delayMs, () => {
      for (const packet of reply.packets) udp.send(packet, port, address);
    });
  });
  tcp.on('connection', socket => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const reply = replies(chunk.subarray(2), 'tcp', socket.remotePort ?? 0);
      if (reply === undefined) return;
      const packet = reply.packets[reply.packets.length - 1];
      const length = Buffer.alloc(2);
      length.writeUInt16BE(packet.length);
      // In two pieces, as a network may.
      socket.write(length);
      later(reply.behaviour.delayMs, () => socket.write(packet));
    });
  });
  t.after(() => {
    for (const timer of timers) clearTimeout(timer);
    udp.close();
    tcp.close();
  });
  return server;
}

async function bothOnOnePort(ip: string, port: number): Promise<{ tcp: Server; udp: Socket }> {
  for (;;) {
    const tcp = createServer().listen(port, ip);
    await once(tcp, 'listening');
    const udp = createSocket('udp4');
    udp.bind((tcp.address() as AddressInfo).port, ip);
    const isBound = await once(udp, 'listening').then(
      () => true,
      () => false,
    );
    if (isBound) return { tcp, udp };
    tcp.close();
    udp.close();
  }
}
