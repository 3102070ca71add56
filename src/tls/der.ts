/** As much of DER as it takes to find a date in it. Source: X.690. */

export interface DerElement {
  readonly tag: number;
  /** The bytes after the length. */
  readonly content: Buffer;
}

export const Tag = {
  enumerated: 0x0a,
  octets: 0x04,
  integer: 0x02,
  sequence: 0x30,
  utcTime: 0x17,
  time: 0x18,
  explicit0: 0xa0,
};

/** The elements one after the other. @throws RangeError where it is not DER */
export function derElements(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 4) throw new RangeError('longer than can be');
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    at = start + length;
    if (at > bytes.length) throw new RangeError('cut short');
    elements.push({ tag, content: bytes.subarray(start, at) });
  }
  return elements;
}

/** Milliseconds since the epoch; NaN for what is no time. Source: RFC 5280, 4.1.2.5. */
export function derTime({ tag, content }: DerElement): number {
  const text = content.toString('latin1');
  const [, year, ...rest] =
    (tag === Tag.utcTime ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
      text,
    ) ?? [];
  if (year === undefined) return Number.NaN;
  const [month, day, hour, minute, second] = rest.map(Number);
  const century = tag === Tag.time ? 0 : Number(year) < 50 ? 2000 : 1900;
  return Date.UTC(century + Number(year), month - 1, day, hour, minute, second);
}
