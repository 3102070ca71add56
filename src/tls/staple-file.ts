/** An OCSP response to staple: DER as it came from the responder, or the same in base64, with or without PEM lines around it. */
import { createHash } from 'node:crypto';
import { type DerElement, derElements, derTime, Tag } from './der.ts';
import type { Expiring } from './expiry.ts';
import type { Reading } from './reading.ts';

/** By OCSPResponseStatus. Source: RFC 6960, 4.2.1. */
const refusals: Readonly<Record<number, string>> = {
  1: 'malformedRequest',
  2: 'internalError',
  3: 'tryLater',
  5: 'sigRequired',
  6: 'unauthorized',
};

export interface Staple {
  readonly der: Uint8Array;
  readonly expiring: readonly Expiring[];
}

export function readStaple(file: string, reading: Reading): Staple | undefined {
  const place = ['ocspStaple'];
  const bytes = reading.read(file, place);
  if (bytes === undefined) return undefined;
  const der = bytes[0] === Tag.sequence ? bytes : fromBase64(bytes.toString('latin1'));
  const parts = partsOf(der);
  const status = parts === undefined ? undefined : parts[0].content.at(0);
  if (der === undefined || parts === undefined || status !== 0) {
    reading.complain(
      place,
      status === undefined
        ? `no OCSP response in ${file}: expected DER or base64, as "openssl ocsp -respout" and responders write it`
        : `the OCSP response in ${file} is a refusal: ${refusals[status] ?? status}`,
    );
    return undefined;
  }
  const fingerprint = createHash('sha256').update(der).digest('hex');
  const what = `the OCSP response in ${file}`;
  const effect = 'clients that look at it refuse the certificate; renew the file';
  return { der, expiring: updatesOf(parts).map(notAfter => ({ what, notAfter, fingerprint, effect, isLong: false })) };
}

function fromBase64(text: string): Buffer | undefined {
  const bare = text.replace(/-----[A-Z0-9 ]+-----/g, '').replace(/\s/g, '');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(bare) ? Buffer.from(bare, 'base64') : undefined;
}

/** The status and what follows it; undefined where it is no such thing. */
function partsOf(der: Buffer | undefined): DerElement[] | undefined {
  const [whole, ...more] = elementsOf(der);
  const parts = whole?.tag === Tag.sequence && more.length === 0 ? elementsOf(whole.content) : [];
  return parts[0]?.tag === Tag.enumerated ? parts : undefined;
}

/** When the answers in it must be newer. Source: RFC 6960, 4.2.1: responseBytes, BasicOCSPResponse, tbsResponseData, responses. */
function updatesOf([, bytes]: readonly DerElement[]): number[] {
  const [answer] = elementsOf(bytes?.content);
  const octets = elementsOf(answer?.content).find(({ tag }) => tag === Tag.octets);
  const [basic] = elementsOf(octets?.content);
  const [signed] = elementsOf(basic?.content);
  const answers = elementsOf(signed?.content).find(({ tag }) => tag === Tag.sequence);
  return elementsOf(answers?.content).flatMap(({ content }) => {
    // Certificate, its status, when that was known, and [0] when it will be known anew.
    const update = elementsOf(content).find(({ tag }, i) => i === 3 && tag === Tag.explicit0);
    return elementsOf(update?.content).map(derTime).filter(Number.isFinite);
  });
}

/** None where it is not DER. */
function elementsOf(content: Buffer | undefined): DerElement[] {
  try {
    return content === undefined ? [] : derElements(content);
  } catch {
    return [];
  }
}
