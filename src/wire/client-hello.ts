/**
 * The first message of a TLS connection, read without answering it: enough to route by server name and pass the bytes on.
 *
 * The message may come in any number of segments and TLS records; every byte is read once. A message that cannot be a ClientHello is
 * reported with the alert that answers it. Sources: RFC 8446 §4.1.2, §5.1; RFC 6066 §3 (server_name); RFC 7301 §3.1 (ALPN).
 */

/** Alerts that refuse a ClientHello: RFC 8446 §6. */
export const Alert = {
  unexpectedMessage: 10,
  recordOverflow: 22,
  handshakeFailure: 40,
  illegalParameter: 47,
  decodeError: 50,
  protocolVersion: 70,
  missingExtension: 109,
  unrecognizedName: 112,
} as const;
export type Alert = (typeof Alert)[keyof typeof Alert];

export interface ClientHello {
  readonly kind: 'hello';
  /** Lower case, without a dot at the end; undefined when the client names none. */
  readonly serverName: string | undefined;
  /** ALPN, in the client's order; one UTF-16 unit stands for one byte. */
  readonly protocols: readonly string[];
  /** Names of the keys of the session tickets the client offers, one UTF-16 unit for each of 16 bytes. */
  readonly ticketNames: readonly string[];
}

/** The bytes are not a ClientHello that could be answered with anything else. */
export interface NoClientHello {
  readonly kind: 'refused';
  readonly alert: Alert;
  readonly reason: string;
}

export type ReadResult = { readonly kind: 'more' } | ClientHello | NoClientHello;

const more: ReadResult = { kind: 'more' };

const handshakeRecord = 22;
const clientHelloType = 1;
const recordHeaderBytes = 5;
const messageHeaderBytes = 4;
/** Most ClientHellos fit. */
const firstBytes = 2 * 1024;
const mostRecordBytes = 16 * 1024;
const serverNameExtension = 0;
const alpnExtension = 16;
const sessionTicketExtension = 35;
const preSharedKeyExtension = 41;
const hostName = 0;
const mostNameBytes = 255;
/** RFC 5077 §4, which OpenSSL keeps to for TLS 1.3 too. */
const ticketNameBytes = 16;

export interface ReaderLimits {
  /** Of the message, without the headers of its records. */
  readonly mostBytes?: number;
}

export class ClientHelloReader {
  readonly #mostBytes: number;
  readonly #recordHeader = new Uint8Array(recordHeaderBytes);
  #recordHeaderRead = 0;
  /** Bytes of the record that are still to come. */
  #recordLeft = 0;
  /** Header and body. It grows with what has come, not with the length that the header announces: that costs a client nothing. */
  #message = new Uint8Array(messageHeaderBytes);
  #messageRead = 0;
  /** Of header and body, as far as known. */
  #messageBytes = messageHeaderBytes;
  #result: ReadResult = more;

  constructor({ mostBytes = 64 * 1024 }: ReaderLimits = {}) {
    this.#mostBytes = mostBytes;
  }

  /** Reads more bytes. @returns the result so far; once it is no longer `more`, it never changes. */
  read(bytes: Uint8Array): ReadResult {
    let at = 0;
    while (this.#result === more && at < bytes.length) {
      if (this.#recordLeft === 0) at += this.#readRecordHeader(bytes.subarray(at));
      else at += this.#readMessage(bytes.subarray(at, at + this.#recordLeft));
    }
    return this.#result;
  }

  #readRecordHeader(bytes: Uint8Array): number {
    const header = this.#recordHeader;
    const count = Math.min(bytes.length, recordHeaderBytes - this.#recordHeaderRead);
    header.set(bytes.subarray(0, count), this.#recordHeaderRead);
    this.#recordHeaderRead += count;
    // The first byte is enough to tell who does not speak TLS: it may never send five.
    if (header[0] !== handshakeRecord)
      return this.#refuse(count, Alert.unexpectedMessage, isPostgres(bytes) ? postgres : 'not a TLS handshake');
    if (this.#recordHeaderRead < recordHeaderBytes) return count;
    const length = (header[3] << 8) | header[4];
    if (header[1] !== 3)
      return this.#refuse(count, Alert.protocolVersion, `record of version ${header[1]}.${header[2]}`);
    if (length === 0) return this.#refuse(count, Alert.unexpectedMessage, 'an empty record');
    if (length > mostRecordBytes) return this.#refuse(count, Alert.recordOverflow, `a record of ${length} bytes`);
    this.#recordLeft = length;
    this.#recordHeaderRead = 0;
    return count;
  }

  /** @param bytes of the record at hand, all of them or some */
  #readMessage(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#messageBytes - this.#messageRead);
    this.#grow(this.#messageRead + count);
    this.#message.set(bytes.subarray(0, count), this.#messageRead);
    this.#messageRead += count;
    this.#recordLeft -= count;
    if (this.#messageRead < this.#messageBytes) return count;
    if (this.#messageRead > messageHeaderBytes)
      this.#result = parseBody(this.#message.subarray(messageHeaderBytes, this.#messageBytes));
    else this.#openMessage();
    return count;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#message.length) return;
    const larger = new Uint8Array(Math.min(this.#messageBytes, Math.max(bytes, firstBytes, 2 * this.#message.length)));
    larger.set(this.#message.subarray(0, this.#messageRead));
    this.#message = larger;
  }

  #openMessage(): void {
    const [type, high, middle, low] = this.#message;
    const length = (high << 16) | (middle << 8) | low;
    if (type !== clientHelloType) this.#result = refused(Alert.unexpectedMessage, `handshake message of type ${type}`);
    else if (length > this.#mostBytes)
      this.#result = refused(Alert.handshakeFailure, `a ClientHello of ${length} bytes`);
    else if (length === 0) this.#result = refused(Alert.decodeError, 'an empty ClientHello');
    else this.#messageBytes += length;
  }

  #refuse(count: number, alert: Alert, reason: string): number {
    this.#result = refused(alert, reason);
    return count;
  }
}

/** SSLRequest and GSSENCRequest come alone, in one segment: a length of 8 and a code. PostgreSQL's protocol, "Message Formats". */
const postgresRequests = [Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47), Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 48)];
const postgres =
  'a PostgreSQL client that asks for TLS in its own way (SSLRequest): TLS of PostgreSQL cannot be terminated or routed by name here; ' +
  'remove tls or sni from this server to pass it through, or connect with sslnegotiation=direct (PostgreSQL 17)';

const isPostgres = (bytes: Uint8Array): boolean =>
  postgresRequests.some(request => request.every((byte, i) => bytes[i] === byte));

const refused = (alert: Alert, reason: string): NoClientHello => ({ kind: 'refused', alert, reason });

/** Thrown by {@link Fields} and caught in {@link parseBody}. */
class Malformed extends Error {
  readonly alert: Alert;

  constructor(alert: Alert, reason: string) {
    super(reason);
    this.alert = alert;
  }
}

/** Reads fields one after the other; every vector is within the one around it, or the message is refused. */
class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number, what: string): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + count);
    if (bytes.length < count) throw new Malformed(Alert.decodeError, `${what} is cut off`);
    this.#at += count;
    return bytes;
  }

  uint8(what: string): number {
    return this.take(1, what)[0];
  }

  uint16(what: string): number {
    const [high, low] = this.take(2, what);
    return (high << 8) | low;
  }

  /** Bytes with their count before them, in one byte or two. */
  vector(countBytes: 1 | 2, what: string): Uint8Array {
    return this.take(countBytes === 1 ? this.uint8(what) : this.uint16(what), what);
  }

  end(what: string): void {
    if (!this.isEmpty) throw new Malformed(Alert.decodeError, `${what} has bytes too many`);
  }
}

function parseBody(body: Uint8Array): ClientHello | NoClientHello {
  try {
    const fields = new Fields(body);
    const major = fields.uint16('the version') >> 8;
    if (major !== 3) throw new Malformed(Alert.protocolVersion, `a ClientHello of version ${major}`);
    fields.take(32, 'the random');
    if (fields.vector(1, 'the session id').length > 32) throw new Malformed(Alert.decodeError, 'a session id too long');
    const suites = fields.vector(2, 'the cipher suites').length;
    if (suites === 0 || suites % 2 === 1) throw new Malformed(Alert.decodeError, `cipher suites of ${suites} bytes`);
    if (fields.vector(1, 'the compression methods').length === 0)
      throw new Malformed(Alert.decodeError, 'no compression method');
    // The oldest clients send no extensions at all.
    const extensions = fields.isEmpty ? new Uint8Array(0) : fields.vector(2, 'the extensions');
    fields.end('the ClientHello');
    return parseExtensions(extensions);
  } catch (error) {
    if (error instanceof Malformed) return refused(error.alert, error.message);
    throw error;
  }
}

function parseExtensions(bytes: Uint8Array): ClientHello {
  const fields = new Fields(bytes);
  const seen = new Set<number>();
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  const ticketNames: string[] = [];
  while (!fields.isEmpty) {
    const type = fields.uint16('an extension');
    const content = fields.vector(2, 'an extension');
    if (seen.has(type)) throw new Malformed(Alert.illegalParameter, `extension ${type} twice`);
    seen.add(type);
    if (type === serverNameExtension) serverName = parseServerName(content);
    else if (type === alpnExtension) protocols = parseProtocols(content);
    else if (type === sessionTicketExtension) addTicketName(ticketNames, content);
    else if (type === preSharedKeyExtension) addIdentities(ticketNames, content);
  }
  return { kind: 'hello', serverName, protocols, ticketNames };
}

function parseServerName(content: Uint8Array): string | undefined {
  const fields = new Fields(content);
  const list = new Fields(fields.vector(2, 'server_name'));
  fields.end('server_name');
  if (list.isEmpty) throw new Malformed(Alert.decodeError, 'an empty server_name');
  let name: string | undefined;
  while (!list.isEmpty) {
    const type = list.uint8('server_name');
    const bytes = list.vector(2, 'server_name');
    if (type !== hostName) continue;
    if (name !== undefined) throw new Malformed(Alert.illegalParameter, 'two host names');
    name = hostNameOf(bytes);
  }
  return name;
}

/** RFC 6066 has no dot at the end; some clients send one all the same, and it means the same host. */
function hostNameOf(bytes: Uint8Array): string {
  if (bytes.length === 0 || bytes.length > mostNameBytes)
    throw new Malformed(Alert.decodeError, `a host name of ${bytes.length} bytes`);
  const name = String.fromCharCode(...bytes).toLowerCase();
  if (!/^(?!\.)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/.test(name))
    throw new Malformed(Alert.illegalParameter, `${JSON.stringify(name)} is not a host name`);
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function parseProtocols(content: Uint8Array): readonly string[] {
  const fields = new Fields(content);
  const list = new Fields(fields.vector(2, 'ALPN'));
  fields.end('ALPN');
  const protocols: string[] = [];
  while (!list.isEmpty) {
    const name = list.vector(1, 'ALPN');
    if (name.length === 0) throw new Malformed(Alert.decodeError, 'an empty protocol name');
    protocols.push(String.fromCharCode(...name));
  }
  if (protocols.length === 0) throw new Malformed(Alert.decodeError, 'ALPN without a protocol');
  return protocols;
}

function addTicketName(names: string[], ticket: Uint8Array): void {
  if (ticket.length > ticketNameBytes) names.push(String.fromCharCode(...ticket.subarray(0, ticketNameBytes)));
}

/** RFC 8446 §4.2.11. The binders that follow the identities are for who has the keys. */
function addIdentities(names: string[], content: Uint8Array): void {
  const list = new Fields(new Fields(content).vector(2, 'pre_shared_key'));
  while (!list.isEmpty) {
    addTicketName(names, list.vector(2, 'pre_shared_key'));
    list.take(4, 'pre_shared_key');
  }
}

/** A fatal alert as the record that carries it: what a client that cannot be served is answered. */
export function alertRecord(alert: Alert): Uint8Array {
  // type 21, version 3.3, two bytes: level fatal, description.
  return Uint8Array.of(21, 3, 3, 0, 2, 2, alert);
}
