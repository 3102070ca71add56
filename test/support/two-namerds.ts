/** Two namerds on one backend act as one: the second serves, and proxies route by, a write through the first. */
import assert from 'node:assert/strict';
import { putDtab, watchDtab } from './dtab-requests.ts';
import { type LinkerdTcp, startLinkerdTcp } from './linkerd-tcp.ts';
import { type NamedBackend, whoAnswers } from './named-backend.ts';
import type { OwnNamerd } from './namerd-own.ts';
import { namerdRouting } from './namerd-routing.ts';
import type { Scope } from './scope.ts';
import { until } from './waiting.ts';

export const routeTo = ({ port }: Pick<NamedBackend, 'port'>): string => `/svc=>/$/inet/127.0.0.1/${port}`;

export interface Followed {
  /** Behind the second namerd. */
  readonly proxy: LinkerdTcp;
  /** The dtabs that the second one sends, in order. */
  readonly watched: readonly string[];
}

/**
 * @param path of a dtab that routes to `a`, and in the end to `b`
 * @param present its version
 */
export async function followThrough(
  t: Scope,
  [one, two]: readonly [OwnNamerd, OwnNamerd],
  [a, b]: readonly [NamedBackend, NamedBackend],
  path: string,
  present: string,
): Promise<Followed> {
  const watched = await watchDtab(t, two.url + path);
  const proxy = await startLinkerdTcp(t, namerdRouting(two.url, { servers: { '/svc': '' } }));
  await until(async () => (await whoAnswers(proxy.port).catch(() => '')) === 'a', 'the route to a');
  assert.equal((await putDtab(one.url + path, routeTo(b), present)).status, 204);
  await until(() => watched.at(-1) === routeTo(b), 'the watch to tell');
  await until(async () => (await whoAnswers(proxy.port)) === 'b', 'the route to b');
  assert.deepEqual(watched, [routeTo(a), routeTo(b)]);
  return { proxy, watched };
}
