/**
 * Where clients want to go, on listeners that route by the server name of their ClientHello.
 *
 * The name is asked of the control plane once, whoever names it; until the answer comes the session waits in Binding, without a
 * route. Who names none, or one that means nothing, goes where the listener sends such clients, or gets an alert.
 */
import type { BufferId } from '../io/driver.ts';
import { Alert, alertRecord } from '../wire/client-hello.ts';
import type { Session, WorkerContext } from './context.ts';
import { type EndCode, endCodes, endIndex } from './end.ts';
import { Greeting } from './greeting.ts';
import type { Listener } from './listener.ts';
import type { Link, SniSpec } from './messages.ts';
import { Names } from './names.ts';
import type { Route } from './route.ts';
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

export class Arrivals {
  readonly #context: WorkerContext;
  readonly #steps: Steps;
  readonly #link: Link;
  readonly #names = new Names();

  constructor(context: WorkerContext, steps: Steps, link: Link) {
    this.#context = context;
    this.#steps = steps;
    this.#link = link;
  }

  /** A client that was accepted, and has to speak first. */
  greet(s: Session, sni: SniSpec): void {
    const { table } = this.#steps;
    table.state[s] = State.Greeting;
    table.greeting[s] = new Greeting(sni);
    this.#steps.setDeadline(s, this.#context.driver.now() + sni.helloTimeoutMs);
  }

  /** Takes a chunk over: part of the ClientHello, or all of it and more. */
  peek(s: Session, buffer: BufferId, offset: number, length: number): void {
    const { table } = this.#steps;
    const { driver } = this.#context;
    const greeting = table.greeting[s] as Greeting;
    const chunk = driver.bytes(buffer).subarray(offset, offset + length);
    const heard = greeting.read(chunk);
    if (heard.kind === 'hello' && greeting.bytes.length === 0)
      this.#steps.hold(s, driver.keep(buffer, offset, length), length);
    else {
      greeting.keep(chunk);
      driver.release(buffer);
      if (heard.kind === 'hello') this.#steps.hold(s, driver.wrap(greeting.bytes), greeting.bytes.length);
    }
    if (heard.kind === 'more') return;
    table.greeting[s] = null;
    if (heard.kind === 'refused') this.#refuse(s, 'GP', heard.alert, heard.reason);
    else this.#askFor(s, heard.serverName);
  }

  #askFor(s: Session, name: string | undefined): void {
    const { table } = this.#steps;
    const { id } = table.specOf(s);
    if (name === undefined) return this.fallBack(s, 'GP', Alert.missingExtension, 'the ClientHello names no server');
    table.serverName[s] = name;
    const route = this.#names.routeOf(id, name);
    if (route) return this.#steps.direct(s, route);
    table.state[s] = State.Binding;
    this.#steps.setDeadline(s, table.waitUntil[s]);
    if (this.#names.wait(id, name, s)) this.#link.post({ type: 'asked', listener: id, name });
  }

  /** The answer; null refuses those who wait for it. */
  named(listener: number, name: string, route: Route | null): void {
    for (const s of this.#names.answer(listener, name, route)) {
      if (route) this.#steps.direct(s, route);
      else
        this.fallBack(
          s,
          'GP',
          Alert.unrecognizedName,
          `no route is to be had for ${name}: too many server names are in use`,
        );
    }
  }

  forget(listener: number, name: string): void {
    this.#names.forget(listener, name);
  }

  /** A session without a route has ended: it waits for no answer. */
  left(s: Session): void {
    const { table } = this.#steps;
    if (table.serverName[s] !== '') this.#names.leave(table.specOf(s).id, table.serverName[s], s);
  }

  /** The name is missing, or means nothing: the session goes where such clients go, unless it comes from there, or is refused. */
  fallBack(s: Session, code: EndCode, alert: Alert, reason: string): void {
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

  /** Answers with a fatal alert; the session ends when that is sent. */
  #refuse(s: Session, code: EndCode, alert: Alert, reason: string): void {
    const { table } = this.#steps;
    const { driver } = this.#context;
    const client = table.clientOf(s);
    const record = alertRecord(alert);
    table.refusal[s] = reason;
    table.settled[s] = 1 + endIndex[code];
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
}
