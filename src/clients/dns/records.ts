/** What a reply says about a name: the addresses at the end of its aliases, and for how long that is true. */
import type { Answer, RecordType, SoaAnswer } from 'dns-packet';
import type { Question, Reply } from './message.ts';

export type Found =
  | { readonly type: 'found'; readonly records: readonly Answer[]; readonly ttlMs: number }
  /** The name is an alias, and the reply does not say of what address. */
  | { readonly type: 'alias'; readonly name: string; readonly ttlMs: number }
  /** `exists`: the name has records of other types (NODATA). */
  | { readonly type: 'none'; readonly exists: boolean; readonly ttlMs: number };

/** Aliases of aliases in one reply. */
const maxAliases = 16;

/** @param reply has the code NOERROR or NXDOMAIN */
export function foundIn({ name, type }: Question, reply: Reply): Found {
  const { code, answers } = reply;
  let at = name.toLowerCase();
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= maxAliases; step++) {
    const records = answers.filter(answer => isAt(answer, type, at));
    if (records.length > 0) {
      for (const { ttl } of records as { ttl?: number }[]) ttlSeconds = Math.min(ttlSeconds, ttl ?? 0);
      return { type: 'found', records, ttlMs: ttlSeconds * 1000 };
    }
    const alias = answers.find(answer => isAt(answer, 'CNAME', at)) as { data: string; ttl?: number } | undefined;
    if (alias === undefined) {
      if (step > 0 && code === 'NOERROR') return { type: 'alias', name: at, ttlMs: ttlSeconds * 1000 };
      return noneIn(reply);
    }
    at = alias.data.toLowerCase();
    ttlSeconds = Math.min(ttlSeconds, alias.ttl ?? 0);
  }
  throw new Error(`more than ${maxAliases} aliases (CNAME) in a row`);
}

function noneIn({ code, authorities }: Reply): Found {
  const soa = authorities.find((answer): answer is SoaAnswer => answer.type === 'SOA');
  // RFC 2308, section 5. Without it the absence must not be remembered.
  const negativeTtl = soa === undefined ? 0 : Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0);
  return { type: 'none', exists: code === 'NOERROR', ttlMs: negativeTtl * 1000 };
}

const isAt = (answer: Answer, type: RecordType, name: string): boolean =>
  answer.type === type && answer.name.toLowerCase() === name;
