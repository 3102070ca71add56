/**
 * The stage before a session has a route, on listeners whose clients speak TLS: the ClientHello, the handshake if TLS is terminated
 * here, and the name to route by if the client gives it.
 *
 * The control plane is asked once for each name, however many clients give it; until the answer comes the session waits in Binding,
 * without a route. A client that gives no name, or one that does not resolve, goes where the listener sends such clients, or is
 * refused: with an alert while the client has not been answered yet.
 */
import type { BufferId } from '../../io/driver.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { TlsTrouble } from '../../io/tls/trouble.ts';
import { Alert, alertRecord, type ClientHello } from '../../wire/client-hello.ts';
import type { Session, WorkerContext } from '../context.ts';
import type { EndCode } from '../end-codes.ts';
import { identityFor } from '../identities.ts';
import type { Listener } from '../listener.ts';
import type { ControlChannel, HelloSpec, NameSource, ServerTlsSpec } from '../messages.ts';
import { peerIdentity } from '../peer-identity.ts';
import type { Route } from '../route.ts';
import { countSecured, countTrouble } from '../tls-series.ts';
import { ClientHelloBuffer } from './client-hello-buffer.ts';
import type { SessionCore } from './session-core.ts';
import { Flag, State } from './session-table.ts';

/** As redis-cli does, and all that is built on hiredis: no failure. */
const answered = 'closed without close_notify, after its last request was answered';

/** Seven bytes find room, unless the client does not even acknowledge. */
const alertTimeoutMs = 5_000;

export class InboundHandshake {
  readonly #core: SessionCore;
  readonly #context: WorkerContext;
  readonly #control: ControlChannel;
  readonly #direct: (s: Session, route: Route) => void;

  /** @param direct takes a session over when its destination is known */
  constructor(core: SessionCore, control: ControlChannel, direct: (s: Session, route: Route) => void) {
    this.#core = core;
    this.#context = core.context;
    this.#control = control;
    this.#direct = direct;
  }

  /** A client that was accepted, and has to speak first. */
  peekFirst(s: Session, hello: HelloSpec): void {
    const { table } = this.#core;
    table.state[s] = State.Peeking;
    table.hello[s] = new ClientHelloBuffer(hello);
    this.#core.setDeadline(s, this.#context.driver.now() + hello.timeoutMs);
  }

  /** Takes a chunk over: part of the ClientHello, or all of it and more. */
  peek(s: Session, buffer: BufferId, offset: number, length: number): void {
    const { table } = this.#core;
    const { driver } = this.#context;
    const hello = table.hello[s] as ClientHelloBuffer;
    const chunk = driver.bytes(buffer).subarray(offset, offset + length);
    const heard = hello.read(chunk);
    if (heard.kind !== 'hello' || hello.bytes.length > 0) {
      hello.keep(chunk);
      driver.release(buffer);
    }
    if (heard.kind === 'more') return;
    table.hello[s] = null;
    if (heard.kind === 'refused') return this.#refuse(s, 'P', heard.alert, heard.reason);
    table.serverName[s] = heard.serverName ?? '';
    const { bytes } = hello;
    const whole =
      bytes.length > 0 ? { buffer: driver.wrap(bytes), offset: 0, length: bytes.length } : { buffer, offset, length };
    if (table.specOf(s).tls) this.#secure(s, heard, whole);
    else {
      this.#core.hold(s, driver.keep(whole.buffer, whole.offset, whole.length), whole.length);
      this.#route(s, heard.serverName);
    }
  }

  /** Answers the ClientHello as whom the client asks for. A reload may have brought other identities since it was accepted. */
  #secure(s: Session, hello: ClientHello, { buffer, offset, length }: Chunk): void {
    const { table } = this.#core;
    const { driver } = this.#context;
    const own = (table.listener[s] as Listener).spec.tls ?? (table.specOf(s).tls as ServerTlsSpec);
    const identity = identityFor(own, table.serverName[s]);
    if (identity === null || !driver.hasTls(identity)) {
      driver.release(buffer);
      return this.#refuse(
        s,
        'P',
        Alert.unrecognizedName,
        `no identity for ${hello.serverName ?? 'clients that name no server'}`,
      );
    }
    table.state[s] = State.Securing;
    driver.acceptTls(table.clientOf(s), identity, hello, buffer, offset, length);
  }

  /** The handshake with the client is done. */
  secured(s: Session, details: TlsDetails): void {
    const { table } = this.#core;
    const { driver, cells } = this.#context;
    const { tls } = table.specOf(s);
    table.clientTls[s] = details;
    if (tls) countSecured(cells, tls.cells, details, driver.now() - table.acceptedAt[s]);
    driver.reading(table.clientOf(s), true);
    this.#route(s, this.#nameOf(s, details));
  }

  /** TLS with the client failed, in the handshake or later. */
  troubled(s: Session, trouble: TlsTrouble): void {
    const { table } = this.#core;
    const { driver, cells } = this.#context;
    const { tls } = table.specOf(s);
    const isAnswered = trouble.kind === 'truncated' && (table.flags[s] & Flag.clientSpokeLast) === 0;
    if (!table.hasFailed(s)) table.why[s] = `TLS with the client: ${isAnswered ? answered : trouble.text}`;
    if (!tls || isAnswered) return;
    countTrouble(cells, tls.cells, trouble.kind);
    if (table.state[s] <= State.Securing && trouble.kind !== 'timeout')
      cells.observe(tls.cells.handshakeUs, (driver.now() - table.acceptedAt[s]) * 1000);
  }

  #nameOf(s: Session, { peerCertificate }: TlsDetails): string | undefined {
    const { table } = this.#core;
    const { nameFrom } = table.specOf(s);
    if (nameFrom === 'sni') return table.serverName[s] || undefined;
    if (nameFrom === null || peerCertificate === null) return undefined;
    const { commonName, names } = peerIdentity(peerCertificate);
    return (nameFrom === 'clientCn' ? commonName : names[0]) || undefined;
  }

  /** @param name undefined when the client has none of the kind that is asked for, or none is */
  #route(s: Session, name: string | undefined): void {
    const { table } = this.#core;
    const { id, nameFrom } = table.specOf(s);
    const listener = table.listener[s] as Listener;
    // A reload during the handshake may have made it route by name.
    if (nameFrom === null && listener.route) return this.#direct(s, listener.route);
    if (nameFrom === null) return this.fallBack(s, 'P', Alert.unrecognizedName, 'the listener routes by name now');
    if (name === undefined) return this.fallBack(s, 'P', Alert.missingExtension, nameless[nameFrom]);
    table.name[s] = name;
    const route = this.#core.names.routeOf(id, name);
    if (route) return this.#direct(s, route);
    table.state[s] = State.Binding;
    this.#core.setDeadline(s, table.waitUntil[s]);
    if (this.#core.names.wait(id, name, s)) this.#control.post({ type: 'asked', listener: id, name });
  }

  /** The answer; null refuses those who wait for it. */
  named(listener: number, name: string, route: Route | null): void {
    for (const s of this.#core.names.answer(listener, name, route)) {
      if (route) this.#direct(s, route);
      else
        this.fallBack(s, 'P', Alert.unrecognizedName, `no route is to be had for ${name}: too many names are in use`);
    }
  }

  forget(listener: number, name: string): void {
    this.#core.names.forget(listener, name);
  }

  /** The name is missing or does not resolve: the session takes the default route, unless that is what failed, or is refused. */
  fallBack(s: Session, code: EndCode | 'P', alert: Alert, reason: string): void {
    const { table } = this.#core;
    const { counts } = this.#context;
    const { route } = table.listener[s] as Listener;
    const before = table.route[s];
    if (!route || route === before) return this.#refuse(s, code, alert, reason);
    if (before) {
      Atomics.sub(counts, before.spec.waiters, 1);
      if (table.flags[s] & Flag.queued) Atomics.sub(counts, before.spec.queued, 1);
      table.flags[s] &= ~Flag.queued;
    }
    table.branch[s] = null;
    this.#direct(s, route);
  }

  /**
   * Answers with a fatal alert, as far as TLS has not begun; the session ends when that is sent.
   * @param code `P`: GP or HP, whichever it is here
   */
  #refuse(s: Session, code: EndCode | 'P', alert: Alert, reason: string): void {
    const { table } = this.#core;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const { tls } = table.specOf(s);
    const end = code === 'P' ? (tls ? 'HP' : 'GP') : code;
    table.why[s] = reason;
    if (table.clientTls[s]) return this.#core.end(s, end);
    if (tls)
      countTrouble(this.#context.cells, tls.cells, alert === Alert.unrecognizedName ? 'name_unknown' : 'not_tls');
    const record = alertRecord(alert);
    table.state[s] = State.Refusing;
    table.setOutcome(s, end);
    driver.reading(client, false);
    driver.write(client, driver.wrap(record), 0, record.length);
    this.#core.countTx(s, record.length);
    if (driver.pending(client) === 0) this.#core.endDecided(s);
    else this.#core.setDeadline(s, driver.now() + alertTimeoutMs);
  }

  /** A session that is not routed yet ends: as one that was greeted, or that was to be secured. */
  endEarly(s: Session, who: 'C' | 'T' | 'D'): void {
    const { table } = this.#core;
    const { tls } = table.specOf(s);
    if (tls && who !== 'D') countTrouble(this.#context.cells, tls.cells, who === 'T' ? 'timeout' : 'left');
    this.#core.end(s, `${tls ? 'H' : 'G'}${who}`);
  }
}

interface Chunk {
  readonly buffer: BufferId;
  readonly offset: number;
  readonly length: number;
}

const nameless = {
  sni: 'the ClientHello names no server',
  clientCn: 'the client has no certificate with a common name',
  clientSan: 'the client has no certificate with an alternative name',
} as const satisfies Record<NameSource, string>;
