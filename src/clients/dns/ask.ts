/**
 * One question to all servers: the first that answers wins.
 *
 * A server that is silent for a second is not waited for alone: the next one is asked as well, and the first answer of any of them
 * counts. A server that refuses or fails is passed over at once. The whole takes at most `timeout` × `attempts` of resolv.conf.
 */
import { isIPv6 } from 'node:net';
import { reasonOf } from '../../errors.ts';
import type { Question, Reply } from './message.ts';
import { type Found, foundIn } from './records.ts';
import type { DnsServer, ResolvConf } from './resolv-conf.ts';
import { askServer } from './transport.ts';

/** How long a server may be silent before the next one is asked, too. */
const hedgeMs = 1000;

/** CNAMEs that lead from one reply to a further question. */
const maxQuestions = 8;

export interface AskOptions extends Pick<ResolvConf, 'timeoutMs' | 'attempts' | 'useTcp'> {
  /** The preferred one first. */
  readonly servers: readonly DnsServer[];
  /** Called with the server whose answer counted. */
  readonly answered?: (server: DnsServer) => void;
}

/** Every server answered or could be reached, and none of them knows. */
export class RefusedByAll extends Error {}

/** Follows aliases to their end. Rejects where no server gives an answer; that the name does not exist is an answer. */
export async function ask(question: Question, options: AskOptions): Promise<Exclude<Found, { type: 'alias' }>> {
  const signal = AbortSignal.timeout(options.timeoutMs * options.attempts);
  let ttlMs = Number.POSITIVE_INFINITY;
  let { name } = question;
  for (let i = 0; i < maxQuestions; i++) {
    const asked = { name, type: question.type };
    const found = foundIn(asked, await firstReply(asked, options, signal));
    ttlMs = Math.min(ttlMs, found.ttlMs);
    if (found.type !== 'alias') return { ...found, ttlMs };
    ({ name } = found);
  }
  throw new Error(`more than ${maxQuestions} aliases (CNAME) in a row`);
}

function firstReply(
  question: Question,
  { servers, attempts, timeoutMs, useTcp, answered }: AskOptions,
  deadline: AbortSignal,
): Promise<Reply> {
  const tries = Array.from({ length: attempts }, () => servers).flat();
  const over = new AbortController();
  const signal = AbortSignal.any([deadline, over.signal]);
  const reasons = new Map<string, string>();
  let waiting = 0;
  let hedge: NodeJS.Timeout | undefined;

  return new Promise<Reply>((resolve, reject) => {
    const giveUp = () => {
      const isSilent = servers.some(server => !reasons.has(show(server)));
      for (const server of servers)
        if (!reasons.has(show(server)))
          reasons.set(show(server), `no answer within ${(timeoutMs * attempts) / 1000} s`);
      const text = Array.from(reasons, ([server, reason]) => `${server}: ${reason}`).join('; ');
      reject(isSilent ? new Error(text) : new RefusedByAll(text));
    };
    const next = () => {
      clearTimeout(hedge);
      const server = tries.shift();
      if (server === undefined) {
        if (waiting === 0) giveUp();
        return;
      }
      waiting++;
      if (tries.length > 0) hedge = setTimeout(next, Math.min(hedgeMs, timeoutMs)).unref();
      const failed = (reason: string) => {
        waiting--;
        reasons.set(show(server), reason);
        if (!signal.aborted) next();
      };
      askServer(server, question, useTcp, signal).then(
        reply => {
          if (reply.code !== 'NOERROR' && reply.code !== 'NXDOMAIN') return failed(`answered ${reply.code}`);
          answered?.(server);
          resolve(reply);
        },
        error => failed(reasonOf(error)),
      );
    };
    deadline.addEventListener('abort', giveUp, { once: true });
    if (deadline.aborted) giveUp();
    else next();
  }).finally(() => {
    clearTimeout(hedge);
    over.abort(new Error('another answer came first'));
  });
}

const show = ({ ip, port }: DnsServer): string => {
  const host = isIPv6(ip) ? `[${ip}]` : ip;
  return port === 53 ? ip : `${host}:${port}`;
};
