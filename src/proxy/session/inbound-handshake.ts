/**
 * What comes before a session knows where it goes, on listeners whose clients speak TLS: the ClientHello, the handshake where TLS ends
 * here, and the name that leads on where it is the client that says it.
 *
 * The name is asked of the control plane once, whoever gives it; until the answer comes the session waits in Binding, without a
 * route. Who gives none, or one that means nothing, goes where the listener sends such clients, or is refused: with an alert while
 * the client has not been answered yet.
 */
import type { BufferId } from '../../io/driver.ts';
import type { TlsDetails } from '../../io/tls/engine.ts';
import type { TlsTrouble } from '../../io/tls/trouble.ts';
import { Alert, alertRecord, type ClientHello } from '../../wire/client-hello.ts';
import type { Session, WorkerContext } from '../context.ts';
import { type EndCode, endCodes, endIndex } from '../end-codes.ts';
import { identityFor } from '../identities.ts';
import type { Listener } from '../listener.ts';
import type { ControlChannel, HelloSpec, NameSource, ServerTlsSpec } from '../messages.ts';
import { peerIdentity } from '../peer-identity.ts';
import type { Route } from '../route.ts';
import { countSecured, countTrouble } from '../tls-series.ts';
import { ClientHelloBuffer } from './client-hello-buffer.ts';
import { ServerNameRoutes } from './server-name-routes.ts';
import { Flag, type SessionTable, State } from './session-table.ts';

/** Seven bytes find room, unless the client does not even acknowledge. */
const alertTimeoutMs = 5_000;

/** What a session does when it is known where it goes, or that it goes nowhere. */
export interface Steps {
  readonly table: SessionTable;
  direct(s: Session, route: Route): void;
  hold(s: Session, buffer: BufferId, length: number): void;
  end(s: Session, code: EndCode): void;
  setDeadline(s: Session, time: number): void;
  countTx(s: Session, bytes: number): void;
}

export class InboundHandshake {
  readonly #context: WorkerContext;
  readonly #steps: Steps;
  readonly #control: ControlChannel;
  readonly #names = new ServerNameRoutes();

  constructor(context: WorkerContext, steps: Steps, control: ControlChannel) {
    this.#context = context;
    this.#steps = steps;
    this.#control = control;
  }

  /** A client that was accepted, and has to speak first. */
  greet(s: Session, hello: HelloSpec): void {
    const { table } = this.#steps;
    table.state[s] = State.Peeking;
    table.greeting[s] = new ClientHelloBuffer(hello);
    this.#steps.setDeadline(s, this.#context.driver.now() + hello.timeoutMs);
  }

  /** Takes a chunk over: part of the ClientHello, or all of it and more. */
  peek(s: Session, buffer: BufferId, offset: number, length: number): void {
    const { table } = this.#steps;
    const { driver } = this.#context;
    const greeting = table.greeting[s] as ClientHelloBuffer;
    const chunk = driver.bytes(buffer).subarray(offset, offset + length);
    const heard = greeting.read(chunk);
    if (heard.kind !== 'hello' || greeting.bytes.length > 0) {
      greeting.keep(chunk);
      driver.release(buffer);
    }
    if (heard.kind === 'more') return;
    table.greeting[s] = null;
    if (heard.kind === 'refused') return this.#refuse(s, 'P', heard.alert, heard.reason);
    table.serverName[s] = heard.serverName ?? '';
    const { bytes } = greeting;
    const whole =
      bytes.length > 0 ? { buffer: driver.wrap(bytes), offset: 0, length: bytes.length } : { buffer, offset, length };
    if (table.specOf(s).tls) this.#secure(s, heard, whole);
    else {
      this.#steps.hold(s, driver.keep(whole.buffer, whole.offset, whole.length), whole.length);
      this.#route(s, heard.serverName);
    }
  }

  /** Answers the ClientHello as whom the client asks for. A reload may have brought other identities since it was accepted. */
  #secure(s: Session, hello: ClientHello, { buffer, offset, length }: Chunk): void {
    const { table } = this.#steps;
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
    const { table } = this.#steps;
    const { driver, cells } = this.#context;
    const { tls } = table.specOf(s);
    table.clientTls[s] = details;
    if (tls) countSecured(cells, tls.cells, details, driver.now() - table.acceptedAt[s]);
    driver.reading(table.clientOf(s), true);
    this.#route(s, this.#nameOf(s, details));
  }

  /** TLS with the client failed, in the handshake or later. */
  troubled(s: Session, trouble: TlsTrouble): void {
    const { table } = this.#steps;
    const { driver, cells } = this.#context;
    const { tls } = table.specOf(s);
    if (!table.isSettled(s)) table.why[s] = `TLS with the client: ${trouble.text}`;
    if (!tls) return;
    countTrouble(cells, tls.cells, trouble.kind);
    if (table.state[s] <= State.Securing && trouble.kind !== 'timeout')
      cells.observe(tls.cells.handshakeUs, (driver.now() - table.acceptedAt[s]) * 1000);
  }

  #nameOf(s: Session, { peerCertificate }: TlsDetails): string | undefined {
    const { table } = this.#steps;
    const { nameFrom } = table.specOf(s);
    if (nameFrom === 'sni') return table.serverName[s] || undefined;
    if (nameFrom === null || peerCertificate === null) return undefined;
    const { commonName, names } = peerIdentity(peerCertificate);
    return (nameFrom === 'clientCn' ? commonName : names[0]) || undefined;
  }

  /** @param name undefined when the client has none of the kind that is asked for, or none is */
  #route(s: Session, name: string | undefined): void {
    const { table } = this.#steps;
    const { id, nameFrom } = table.specOf(s);
    const listener = table.listener[s] as Listener;
    // A reload during the handshake may have made it route by name.
    if (nameFrom === null && listener.route) return this.#steps.direct(s, listener.route);
    if (nameFrom === null) return this.fallBack(s, 'P', Alert.unrecognizedName, 'the listener routes by name now');
    if (name === undefined) return this.fallBack(s, 'P', Alert.missingExtension, nameless[nameFrom]);
    table.name[s] = name;
    const route = this.#names.routeOf(id, name);
    if (route) return this.#steps.direct(s, route);
    table.state[s] = State.Binding;
    this.#steps.setDeadline(s, table.waitUntil[s]);
    if (this.#names.wait(id, name, s)) this.#control.post({ type: 'asked', listener: id, name });
  }

  /** The answer; null refuses those who wait for it. */
  named(listener: number, name: string, route: Route | null): void {
    for (const s of this.#names.answer(listener, name, route)) {
      if (route) this.#steps.direct(s, route);
      else
        this.fallBack(s, 'P', Alert.unrecognizedName, `no route is to be had for ${name}: too many names are in use`);
    }
  }

  forget(listener: number, name: string): void {
    this.#names.forget(listener, name);
  }

  /** A session without a route has ended: it waits for no answer. */
  left(s: Session): void {
    const { table } = this.#steps;
    if (table.name[s] !== '') this.#names.leave(table.specOf(s).id, table.name[s], s);
  }

  /** The name is missing, or means nothing: the session goes where such clients go, unless it comes from there, or is refused. */
  fallBack(s: Session, code: EndCode | 'P', alert: Alert, reason: string): void {
    const { table } = this.#steps;
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
    this.#steps.direct(s, route);
  }

  /**
   * Answers with a fatal alert, as far as TLS has not begun; the session ends when that is sent.
   * @param code `P`: GP or HP, whichever it is here
   */
  #refuse(s: Session, code: EndCode | 'P', alert: Alert, reason: string): void {
    const { table } = this.#steps;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const { tls } = table.specOf(s);
    const end = code === 'P' ? (tls ? 'HP' : 'GP') : code;
    table.why[s] = reason;
    if (table.clientTls[s]) return this.#steps.end(s, end);
    if (tls)
      countTrouble(this.#context.cells, tls.cells, alert === Alert.unrecognizedName ? 'name_unknown' : 'not_tls');
    const record = alertRecord(alert);
    table.settled[s] = 1 + endIndex[end];
    driver.reading(client, false);
    driver.write(client, driver.wrap(record), 0, record.length);
    this.#steps.countTx(s, record.length);
    if (driver.pending(client) === 0) this.endRefused(s);
    else this.#steps.setDeadline(s, driver.now() + alertTimeoutMs);
  }

  /** Whether the session only waits for its alert to be sent. */
  isRefused(s: Session): boolean {
    const { table } = this.#steps;
    return table.settled[s] !== 0 && table.state[s] < State.Flushing;
  }

  /** The client has the alert, or will not take it. */
  endRefused(s: Session): void {
    this.#steps.end(s, endCodes[this.#steps.table.settled[s] - 1]);
  }

  /** A session that is not routed yet ends: as one that was greeted, or that was to be secured. */
  endEarly(s: Session, who: 'C' | 'T' | 'D'): void {
    const { table } = this.#steps;
    const { tls } = table.specOf(s);
    if (tls && who !== 'D') countTrouble(this.#context.cells, tls.cells, who === 'T' ? 'timeout' : 'left');
    this.#steps.end(s, `${tls ? 'H' : 'G'}${who}`);
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
