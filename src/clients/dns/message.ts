/**
 * DNS messages: questions as we send them, and what counts as an answer to one.
 *
 * An answer must carry the question's id and its name with the same letter case, which is random ("0x20"): with the random port
 * of each question, that is what someone who cannot see our traffic would have to guess. Sources: RFC 1035, RFC 5452,
 * draft-vixie-dnsext-dns0x20.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type Answer, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet';

export type QuestionType = 'A' | 'AAAA' | 'SRV';

export interface Question {
  /** Without the final dot. */
  readonly name: string;
  readonly type: QuestionType;
}

export interface SentQuestion {
  readonly bytes: Buffer;
  readonly id: number;
  /** With its random case. */
  readonly name: string;
  readonly type: QuestionType;
}

export interface Reply {
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly code: string;
  readonly isTruncated: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/** Fits into one packet on all common paths; larger answers come over TCP. Source: DNS flag day 2020. */
const udpPayloadSize = 1232;

/** @throws Error where the name cannot be written as a DNS name */
export function questionMessage({ name, type }: Question, edns = true): SentQuestion {
  if (!isDnsName(name)) throw new Error(`${name.slice(0, 80)} is not a valid DNS name`);
  const id = randomInt(0x1_0000);
  const cased = randomCase(name);
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name: cased, class: 'IN' }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
  return { bytes, id, name: cased, type };
}

/**
 * `undefined`: not an answer to this question. `case`: it may be one, of a server that does not keep the letter case.
 *
 * @param isProven whether the transport proves the sender; then the letter case does not matter
 */
export function replyTo(sent: SentQuestion, bytes: Buffer, isProven: true): Reply | undefined;
export function replyTo(sent: SentQuestion, bytes: Buffer, isProven: false): Reply | 'case' | undefined;
export function replyTo(sent: SentQuestion, bytes: Buffer, isProven: boolean): Reply | 'case' | undefined {
  const packet = decoded(bytes);
  if (packet === undefined || packet.type !== 'response' || packet.id !== sent.id) return undefined;
  const [question] = packet.questions ?? [];
  // Servers that cannot read a question do not repeat it.
  const isWithout = question === undefined && packet.rcode !== 'NOERROR' && packet.rcode !== 'NXDOMAIN';
  if (!isWithout) {
    if (question?.type !== sent.type || question.name.toLowerCase() !== sent.name.toLowerCase()) return undefined;
    if (question.name !== sent.name && !isProven) return 'case';
  }
  return {
    code: packet.rcode,
    isTruncated: packet.flag_tc,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
    additionals: packet.additionals ?? [],
  };
}

function decoded(bytes: Buffer): (DecodedPacket & { readonly rcode: string }) | undefined {
  try {
    return decode(bytes) as DecodedPacket & { readonly rcode: string };
  } catch {
    // Not DNS, or cut off: there is nothing to say about who sent it.
    return undefined;
  }
}

/** At most 253 bytes, labels of 1 to 63 printable bytes. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split('.').every(label => /^[\x21-\x7e]{1,63}$/.test(label));
}

function randomCase(name: string): string {
  const bits = randomBytes(name.length);
  return Array.from(name, (letter, i) => (bits[i] & 1 ? letter.toUpperCase() : letter.toLowerCase())).join('');
}
