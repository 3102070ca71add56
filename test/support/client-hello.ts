/** Makes ClientHellos, well-formed or nearly so, and cuts messages into TLS records. */

export interface HelloParts {
  readonly serverName?: string;
  readonly protocols?: readonly string[];
  /** Type and content of more extensions. */
  readonly others?: readonly (readonly [type: number, content: Uint8Array])[];
  readonly sessionIdBytes?: number;
  readonly suites?: number;
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, char => char.charCodeAt(0) & 0xff);

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const uint8 = (value: number): Uint8Array => Uint8Array.of(value & 0xff);
const uint16 = (value: number): Uint8Array => Uint8Array.of((value >> 8) & 0xff, value & 0xff);
export const vector8 = (content: Uint8Array): Uint8Array => joined(uint8(content.length), content);
export const vector16 = (content: Uint8Array): Uint8Array => joined(uint16(content.length), content);

export const extension = (type: number, content: Uint8Array): Uint8Array => joined(uint16(type), vector16(content));

export function serverNameExtension(name: string, type = 0): Uint8Array {
  return extension(0, vector16(joined(uint8(type), vector16(bytesOf(name)))));
}

export function alpnExtension(protocols: readonly string[]): Uint8Array {
  return extension(16, vector16(joined(...protocols.map(name => vector8(bytesOf(name))))));
}

/** The body of the message around these extensions. */
export function bodyWith(
  extensions: Uint8Array | undefined,
  { sessionIdBytes = 32, suites = 3 }: HelloParts = {},
): Uint8Array {
  return joined(
    uint16(0x0303),
    new Uint8Array(32).fill(7),
    vector8(new Uint8Array(sessionIdBytes).fill(9)),
    vector16(new Uint8Array(suites * 2).fill(0x13)),
    vector8(Uint8Array.of(0)),
    ...(extensions ? [vector16(extensions)] : []),
  );
}

/** The handshake message: type, length, body. */
export const messageOf = (body: Uint8Array, type = 1): Uint8Array =>
  joined(uint8(type), uint8(body.length >> 16), uint16(body.length & 0xffff), body);

export function helloMessage(parts: HelloParts = {}): Uint8Array {
  const extensions = joined(
    ...(parts.others ?? []).map(([type, content]) => extension(type, content)),
    ...(parts.serverName === undefined ? [] : [serverNameExtension(parts.serverName)]),
    ...(parts.protocols === undefined ? [] : [alpnExtension(parts.protocols)]),
  );
  return messageOf(bodyWith(extensions, parts));
}

/** @param cuts sizes of the records but the last, which takes the rest */
export function recordsOf(message: Uint8Array, cuts: readonly number[] = []): Uint8Array {
  const records: Uint8Array[] = [];
  let at = 0;
  for (const size of [...cuts, Number.POSITIVE_INFINITY]) {
    const piece = message.subarray(at, Math.min(message.length, at + Math.max(1, Math.min(size, 16_384))));
    if (piece.length > 0) records.push(joined(Uint8Array.of(22, 3, 1), vector16(piece)));
    at += piece.length;
  }
  while (at < message.length) {
    const piece = message.subarray(at, at + 16_384);
    records.push(joined(Uint8Array.of(22, 3, 1), vector16(piece)));
    at += piece.length;
  }
  return joined(...records);
}
