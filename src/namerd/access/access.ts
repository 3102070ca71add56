/**
 * Authentication and authorization: rights by namespace, from bearer tokens (RFC 6750).
 *
 * Only SHA-256 digests of tokens are kept. A token that is sent is looked up by its digest: how long that takes says nothing
 * about the tokens, and those not yet seen are compared with every digest in constant time.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { filter, NEVER, type Observable, Subject, startWith } from 'rxjs';
import { LinkerdTcpError } from '../../errors.ts';

/** `write` includes `read`. */
export type Right = 'read' | 'write';

export interface Permission {
  readonly right: Right;
  readonly namespace: string;
}

export const reading = (namespace: string): Permission => ({ right: 'read', namespace });
export const writing = (namespace: string): Permission => ({ right: 'write', namespace });

/** Namespaces: exact names, or prefixes that end in `*`, e.g. `team-a-*`. */
export interface TokenRights {
  /** For the log and the metrics. */
  readonly name: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** The sender of a request. */
export interface Principal {
  /** The name of the token; absent without one. */
  readonly name?: string;
  may(right: Right, namespace: string): boolean;
  /** Whether the token still has these rights. */
  isGood(): boolean;
  /** Emits as soon as it does not. */
  readonly revoked: Observable<unknown>;
}

/** The principal of an API without authentication. */
export const unrestricted: Principal = { may: () => true, isGood: () => true, revoked: NEVER };

export interface AccessRules {
  /** Rights of requests without a token, in every namespace. */
  readonly anonymous: 'none' | 'read';
  /** Their digests are set by {@link Access.accept}. */
  readonly tokens: readonly TokenRights[];
}

export class Access {
  readonly #anonymous: AccessRules['anonymous'];
  readonly #tokens: readonly TokenRights[];
  /** By the name of the token. */
  readonly #digests = new Map<string, readonly Buffer[]>();
  /** Since the last change, by digest: each of thousands of watches asks again at every change. */
  readonly #known = new Map<string, TokenRights>();
  readonly #changes = new Subject<void>();

  constructor({ anonymous, tokens }: AccessRules) {
    this.#anonymous = anonymous;
    this.#tokens = tokens;
  }

  /** From now on these, and no others, are the tokens of that name. */
  accept(name: string, digests: readonly Buffer[]): void {
    this.#digests.set(name, digests);
    this.#known.clear();
    this.#changes.next();
  }

  /** @throws LinkerdTcpError TOKEN_MISSING or TOKEN_UNKNOWN */
  authenticate(authorization: string | undefined): Principal {
    // Another scheme is meant for a front end: it is not a token.
    const sent = /^bearer(?: +(.*))?$/is.exec(authorization ?? '');
    if (sent === null) {
      if (this.#anonymous === 'read') return { ...unrestricted, may: right => this.#mayAnonymous(right) };
      throw new LinkerdTcpError('TOKEN_MISSING');
    }
    const digest = digestOf(sent[1] ?? '');
    const rights = this.#rightsOf(digest);
    if (rights === undefined) throw new LinkerdTcpError('TOKEN_UNKNOWN');
    const isGood = () => this.#rightsOf(digest) === rights;
    return {
      name: rights.name,
      may: (right, namespace) =>
        this.#mayAnonymous(right) ||
        [...rights.write, ...(right === 'read' ? rights.read : [])].some(pattern => covers(pattern, namespace)),
      isGood,
      revoked: this.#changes.pipe(
        startWith(undefined),
        filter(() => !isGood()),
      ),
    };
  }

  #mayAnonymous(right: Right): boolean {
    return right === 'read' && this.#anonymous === 'read';
  }

  /** Only valid tokens are remembered: there are few of them. */
  #rightsOf(digest: Buffer): TokenRights | undefined {
    const key = digest.toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    let found: TokenRights | undefined;
    for (const rights of this.#tokens)
      for (const each of this.#digests.get(rights.name) ?? []) if (timingSafeEqual(each, digest)) found = rights;
    if (found !== undefined) this.#known.set(key, found);
    return found;
  }
}

export const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

function covers(pattern: string, namespace: string): boolean {
  return pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : pattern === namespace;
}

/** One of `permissions` is enough; with none, every principal passes. @throws LinkerdTcpError TOKEN_MISSING or RIGHT_MISSING */
export function authorize(principal: Principal, permissions: readonly Permission[]): void {
  const last = permissions.at(-1);
  if (last === undefined || permissions.some(({ right, namespace }) => principal.may(right, namespace))) return;
  const { right, namespace } = last;
  if (principal.name === undefined) throw new LinkerdTcpError('TOKEN_MISSING');
  throw new LinkerdTcpError('RIGHT_MISSING', { token: principal.name, right, namespace: namespace.slice(0, 200) });
}
