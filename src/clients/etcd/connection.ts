/**
 * One connection to one member of etcd: gRPC (HTTP/2, length-prefixed protobuf, the status in the trailers) on `node:http2`.
 *
 * A connection that has failed or was retired is never used again. Its socket is closed when the last call has ended, even if the
 * server does not respond.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import protobuf from 'protobufjs/light.js';
import { Observable } from 'rxjs';
import { reasonOf } from '../../errors.ts';
import { monotonicNow } from '../../io/clock.ts';
import { controlLookup } from '../dns/control-lookup.ts';
import { CallFailure, late, status } from './failure.ts';
import { FrameReader, frame } from './frames.ts';
import {
  type AuthenticateResponse,
  descriptor,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
  type WatchCreateRequest,
  type WatchResponse,
} from './messages.ts';

export interface Member {
  readonly host: string;
  readonly port: number;
}

/** Each method's request and answer. */
export interface Methods {
  Range: { request: RangeRequest; response: RangeResponse };
  Txn: { request: TxnRequest; response: TxnResponse };
  Authenticate: { request: { readonly name: string; readonly password: string }; response: AuthenticateResponse };
  Watch: { request: { readonly createRequest: WatchCreateRequest }; response: WatchResponse };
}

/** Sent with a call, as HTTP headers. */
export type Metadata = Readonly<Record<string, string>>;

const services = { Range: 'KV', Txn: 'KV', Authenticate: 'Auth', Watch: 'Watch' } as const;
const messages = protobuf.Root.fromJSON(descriptor).lookup('etcdserverpb') as protobuf.Namespace;
const formats = { longs: String, enums: String, defaults: true } as const;
/** A connection without calls is closed after this time. */
const idleMs = 30_000;

export class EtcdConnection {
  readonly #session: ClientHttp2Session;
  #isConnected = false;
  #speaksHttp2 = false;
  #isRetired = false;
  #calls = 0;
  #error: Error | undefined;

  constructor({ host, port }: Member, tls: ConnectionOptions | undefined) {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#session = connect(`${tls ? 'https' : 'http'}://${address}`, {
      ...tls,
      lookup: controlLookup(),
      settings: { enablePush: false },
    } as SecureClientSessionOptions);
    this.#session.once('connect', () => {
      this.#isConnected = true;
    });
    this.#session.once('remoteSettings', () => {
      this.#speaksHttp2 = true;
    });
    this.#session.on('error', error => {
      this.#error = error;
    });
    this.#session.once('goaway', () => this.retire());
    this.#session.once('close', () => this.retire());
    this.#session.setTimeout(idleMs, () => {
      if (this.#calls === 0) this.retire();
    });
  }

  get isRetired(): boolean {
    return this.#isRetired || this.#session.closed || this.#session.destroyed;
  }

  /** @param deadline by `monotonicNow`: setting the clock must not change it; a call without one lasts until the subscriber leaves */
  call<M extends keyof Methods>(
    method: M,
    request: Methods[M]['request'],
    metadata: Metadata,
    deadline?: number,
  ): Observable<Methods[M]['response']> {
    return new Observable(out => {
      if (this.isRetired) return out.error(new CallFailure(status.unseen, 'the connection was closed'));
      const answer = messages.lookupType(`${method}Response`);
      const frames = new FrameReader();
      let last: IncomingHttpHeaders | undefined;
      let hasAnswered = false;
      const stream = this.#open(method, metadata, deadline);
      stream.on('response', headers => {
        last = headers;
        if (headers[':status'] !== 200) stream.close(constants.NGHTTP2_CANCEL);
      });
      stream.on('trailers', trailers => {
        last = { ...last, ...trailers };
      });
      stream.on('data', (chunk: Buffer) => {
        try {
          for (const bytes of frames.read(chunk)) {
            hasAnswered = true;
            out.next(answer.toObject(answer.decode(bytes), formats) as Methods[M]['response']);
          }
        } catch (error) {
          const reason = `not an etcd answer: ${reasonOf(error)}`;
          out.error(new CallFailure(status.internal, reason, { cause: error }));
        }
      });
      let broken: Error | undefined;
      stream.on('error', error => {
        broken = error;
      });
      stream.on('close', () => {
        const isDone = last?.['grpc-status'] === '0' && hasAnswered && deadline !== undefined;
        if (isDone) out.complete();
        else out.error(failureOf(last) ?? this.#failure(broken, stream.rstCode));
      });
      const bytes = frame(messages.lookupType(`${method}Request`), request);
      if (deadline === undefined) stream.write(bytes);
      else stream.end(bytes);
      const timer = deadline === undefined ? undefined : setTimeout(() => out.error(late()), deadline - monotonicNow());
      return () => {
        clearTimeout(timer);
        stream.close(constants.NGHTTP2_CANCEL);
        this.#calls--;
        if (this.#isRetired && this.#calls === 0) this.#session.destroy();
      };
    });
  }

  /** Accepts no more calls; pending ones continue. */
  retire(): void {
    this.#isRetired = true;
    if (this.#calls === 0) this.#session.destroy();
  }

  #open(method: keyof Methods, metadata: Metadata, deadline: number | undefined): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/etcdserverpb.${services[method]}/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(deadline !== undefined && { 'grpc-timeout': `${Math.max(1, Math.ceil(deadline - monotonicNow()))}m` }),
      ...metadata,
    });
    this.#calls++;
    return stream;
  }

  #failure(broken?: Error, rstCode?: number): CallFailure {
    const isUnseen = !this.#isConnected || rstCode === constants.NGHTTP2_REFUSED_STREAM;
    // The error of the connection explains those of its calls.
    const cause = this.#error ?? broken?.cause ?? broken;
    const end = cause === undefined ? 'the connection was closed' : reasonOf(cause);
    const isStranger = this.#isConnected && !this.#speaksHttp2;
    const reason = isStranger
      ? `${end} before the HTTP/2 handshake: is this etcd, and are the \`tls\` settings right?`
      : end;
    return new CallFailure(isUnseen ? status.unseen : status.unavailable, reason, { cause });
  }
}

/** The failure that the server reports for a call; undefined if it reports none. */
function failureOf(headers: IncomingHttpHeaders | undefined): CallFailure | undefined {
  if (headers === undefined) return undefined;
  if (headers[':status'] !== undefined && Number(headers[':status']) !== 200)
    return new CallFailure(status.internal, `not an etcd server: HTTP status ${headers[':status']}`);
  const code = Number(headers['grpc-status'] ?? 0);
  if (headers['grpc-status'] === '0') return new CallFailure(status.unavailable, 'etcd ended the call');
  if (code === 0) return undefined;
  return new CallFailure(code, decoded(String(headers['grpc-message'] || `gRPC status ${code}`)));
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
