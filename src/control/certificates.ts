/** The series that tell when certificates expire: those that listeners show, and those of a router's clients. */
import type { TlsContextId } from '../io/tls/context.ts';
import { endScope } from '../metrics/join-scopes.ts';
import type { Registry, Scope } from '../metrics/registry.ts';
import type { ExpiryLabels, Identities } from './tls-contexts.ts';

/** A listener that terminates TLS. */
export interface ShownIdentities {
  readonly router: string;
  /** Bound `ip:port`. */
  readonly address: string;
  readonly identities: Identities;
}

export class Certificates {
  readonly #registry: Registry;
  #shown: Scope | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Of these listeners, and no longer of those before. */
  show(listeners: readonly ShownIdentities[], expiryOf: (id: TlsContextId) => () => number): void {
    if (this.#shown) endScope(this.#shown);
    const scope = this.#registry.scope({});
    for (const { router, address, identities } of listeners)
      for (const [identity, id] of named(identities))
        scope.computed(family, { rt: router, srv_addr: address, identity }, expiryOf(id));
    this.#shown = scope;
  }

  /** @returns a function that ends it */
  expose(labels: ExpiryLabels, secondsLeft: () => number): () => void {
    const scope = this.#registry.scope({});
    scope.computed(family, { ...labels }, secondsLeft);
    return () => endScope(scope);
  }
}

const family = 'l5d:tls:cert:expiry_seconds';

const named = ({ exact, wildcard, fallback }: Identities): (readonly [string, TlsContextId])[] => [
  ...(fallback === null ? [] : [['default', fallback] as const]),
  ...Object.entries(exact),
  ...Object.entries(wildcard).map(([parent, id]) => [`*${parent}`, id] as const),
];
