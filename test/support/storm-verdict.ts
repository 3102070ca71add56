/** Checks the observations of the two sides of each connection of a storm. Pure. */
import { isOrderly, type Script } from './storm-plan.ts';
import type { Inbound } from './storm-side.ts';

/** The final observations of one side. */
export interface Outcome {
  readonly id: number;
  readonly script: Script;
  readonly port: number;
  readonly sent: number;
  readonly received: number;
  readonly from: number;
  readonly inbound: Inbound;
  readonly hasFinished: boolean;
  readonly isKilled: boolean;
  readonly isCut: boolean;
  readonly fault: string | undefined;
}

export interface Verdict {
  readonly problems: readonly string[];
  /** Steady clients that neither received nor delivered a byte: the proxy must have had a reason not to connect them. */
  readonly refused: readonly Refusal[];
  /** Connections where both sides were steady and saw all of each other. */
  readonly complete: number;
}

export interface Refusal {
  readonly port: number;
  readonly inbound: Inbound;
}

/**
 * @param hasSpares upstreams may also see connections that never had a client
 */
export function judge(clients: readonly Outcome[], upstreams: readonly Outcome[], hasSpares: boolean): Verdict {
  const problems: string[] = [];
  const refused: Refusal[] = [];
  let complete = 0;
  const others = pair(clients, upstreams, problems);
  for (const one of [...clients, ...upstreams]) checkReceived(one, others.get(one), problems);
  for (const client of clients.filter(isSteady)) {
    const upstream = others.get(client);
    if (!upstream) refused.push({ port: client.port, inbound: client.inbound });
    else if (isSteady(upstream)) {
      // That everything came follows from the end: see checkReceived.
      if (client.inbound === 'end' && upstream.inbound === 'end') complete++;
      else problems.push(`nobody tore them, but they did not see the end: ${show(client)}; ${show(upstream)}`);
    }
  }
  const leavers = clients.length - clients.filter(isSteady).length;
  const empty = upstreams.filter(one => one.inbound === 'end' && one.received === 0).length;
  if (empty > leavers && !hasSpares)
    problems.push(`${empty} upstreams saw an end without a byte, but only ${leavers} clients left early`);
  return { problems, refused, complete };
}

/** Keeps its side of every bargain: it sends all and reads all. */
function isSteady(one: Outcome): boolean {
  return isOrderly(one.script) && !one.isKilled;
}

/** The other side of each: one heard the other, or was heard by it. */
function pair(clients: readonly Outcome[], upstreams: readonly Outcome[], problems: string[]): Map<Outcome, Outcome> {
  const others = new Map<Outcome, Outcome>();
  const join = (one: Outcome, other: Outcome): void => {
    const known = others.get(one);
    if (known && known !== other) problems.push(`${show(one)} is connected to both ${show(known)} and ${show(other)}`);
    others.set(one, other);
  };
  const match = (ones: readonly Outcome[], possible: readonly Outcome[]): void => {
    const byId = new Map(possible.map(one => [one.id, one]));
    for (const one of ones.filter(({ from }) => from >= 0)) {
      const other = byId.get(one.from);
      if (!other) problems.push(`${show(one)} heard somebody who is not of this storm's other side`);
      else {
        join(one, other);
        join(other, one);
      }
    }
  };
  match(clients, upstreams);
  match(upstreams, clients);
  return others;
}

/** Right bytes only, and an end only if the other side has said so, after all of them. */
function checkReceived(one: Outcome, other: Outcome | undefined, problems: string[]): void {
  if (one.fault !== undefined) problems.push(`${one.fault}: ${show(one)}`);
  if (!other) {
    if (one.received > 0 && one.inbound === 'end')
      problems.push(`an end in the middle of the first bytes: ${show(one)}`);
    return;
  }
  if (one.received > other.sent) problems.push(`more bytes than were sent: ${show(one)}; ${show(other)}`);
  if (one.inbound !== 'end' || other.isCut) return;
  if (!other.hasFinished || one.received !== other.script.bytes)
    problems.push(`an end that the other side did not send: ${show(one)}; ${show(other)}`);
}

function show({ id, script, sent, received, from, inbound, isKilled }: Outcome): string {
  const stall = script.stall ? `, stall ${JSON.stringify(script.stall)}` : '';
  return (
    `${id.toString(16)} (${script.ending}${isKilled ? ', killed' : ''}${stall}: sent ${sent} of ${script.bytes}, ` +
    `heard ${received} from ${from < 0 ? 'nobody' : from.toString(16)}, then ${inbound})`
  );
}
