/**
 * Who sends a request, and what they may do: rights by namespace, from bearer tokens (RFC 6750).
 *
 * Of tokens there are only SHA-256 digests. What is sent is compared with all of them, each in constant time, so that an answer
 * takes the same time whether it is almost one of them or not.
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

/** Namespaces, each as it is, or by how it begins: `team-a/*`, `*`. */
export interface TokenRights {
  /** For the log and the metrics. */
  readonly name: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Whoever sent a request. */
export interface Principal {
  /** The name of the token; absent without one. */
  readonly name?: string;
  may(right: Right, namespace: string): boolean;
  /** Whether the token still has these rights. */
  isGood(): boolean;
  /** Emits as soon as it has not. */
  readonly revoked: Observable<unknown>;
}

/** Of an API that asks for no token. */
export const unrestricted: Principal = { may: () => true, isGood: () => true, revoked: NEVER };

export interface AccessRules {
  /** What every request may do in any namespace, without a token too. */
  readonly anonymous: 'none' | 'read';
  /** Their digests are told by {@link Access.accept}. */
  readonly tokens: readonly TokenRights[];
}

export class Access {
  readonly #anonymous: AccessRules['anonymous'];
  readonly #tokens: readonly TokenRights[];
  /** By the name of the token. */
  readonly #digests = new Map<string, readonly Buffer[]>();
  readonly #changes = new Subject<void>();

  constructor({ anonymous, tokens }: AccessRules) {
    this.#anonymous = anonymous;
    this.#tokens = tokens;
  }

  /** From now on these, and no others, are the tokens of that name. */
  accept(name: string, digests: readonly Buffer[]): void {
    this.#digests.set(name, digests);
    this.#changes.next();
  }

  /** @throws LinkerdTcpError TOKEN_MISSING or TOKEN_UNKNOWN */
  authenticate(authorization: string | undefined): Principal {
    // Another scheme is for somebody else, e.g. a front end: it is no token.
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

  #rightsOf(digest: Buffer): TokenRights | undefined {
    let found: TokenRights | undefined;
    for (const rights of this.#tokens)
      for (const known of this.#digests.get(rights.name) ?? []) if (timingSafeEqual(known, digest)) found = rights;
    return found;
  }
}

export const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

function covers(pattern: string, namespace: string): boolean {
  return pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : pattern === namespace;
}

/** One of `permissions` is enough; without any, to be a principal is. @throws LinkerdTcpError TOKEN_MISSING or RIGHT_MISSING */
export function authorize(principal: Principal, permissions: readonly Permission[]): void {
  const last = permissions.at(-1);
  if (last === undefined || permissions.some(({ right, namespace }) => principal.may(right, namespace))) return;
  const { right, namespace } = last;
  if (principal.name === undefined) throw new LinkerdTcpError('TOKEN_MISSING');
  throw new LinkerdTcpError('RIGHT_MISSING', { token: principal.name, right, namespace });
}
