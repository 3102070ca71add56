/** `/api/1/bound-names`: the ids of those namers that can list theirs. */
import { showPath } from '../../dtab/show.ts';
import type { ApiContext } from './api-context.ts';
import { json, type Outcome } from './exchange.ts';

export async function boundNames({ namespaces }: ApiContext): Promise<Outcome> {
  const ids = await namespaces.boundNames();
  return json(ids.map(showPath).sort());
}
