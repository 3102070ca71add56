/** `/api/1/bound-names`: the ids of those namers that can list theirs. */
import { showPath } from '../../dtab/show.ts';
import { json, type Outcome } from './exchange.ts';
import type { ApiParts } from './parts.ts';

export async function boundNames({ namespaces }: ApiParts): Promise<Outcome> {
  const ids = await namespaces.boundNames();
  return json(ids.map(showPath).sort());
}
