/** The stored dtab of a namespace, for requests that do not watch. */
import { LinkerdTcpError } from '../../errors.ts';
import type { VersionedDtab } from '../../stores/store.ts';
import type { ApiContext } from './api-context.ts';
import { firstKnown } from './first-known.ts';

export const missing = (namespace: string): LinkerdTcpError =>
  new LinkerdTcpError('STORE_MISSING', { namespace, store: 'this namerd' });

/** @throws LinkerdTcpError STORE_MISSING */
export async function storedDtab(namespace: string, context: ApiContext): Promise<VersionedDtab> {
  const stored = await storedOrNull(namespace, context);
  if (stored === null) throw missing(namespace);
  return stored;
}

export const storedOrNull = (
  namespace: string,
  { store, answerTimeoutMs }: ApiContext,
): Promise<VersionedDtab | null> => firstKnown(store.observe(namespace), `reading ${namespace}`, answerTimeoutMs);

/** Distinguishes a namespace that does not exist, which is an empty dtab, from a name that resolves to nothing. */
export function namespaceHeader(
  namespace: string,
  { store }: Pick<ApiContext, 'store'>,
): Readonly<Record<string, string>> {
  let isMissing = false;
  // The store knows it at once: namerd watches all namespaces.
  const subscription = store.observe(namespace).subscribe(state => {
    isMissing = state.state === 'ok' && state.value === null;
  });
  subscription.unsubscribe();
  return isMissing ? { 'l5d-namespace': 'missing' } : {};
}
