/** The tokens of one interface of namerd: those in the configuration, and those in files, which are followed. */
import type { Subscription } from 'rxjs';
import { mostTokenFileBytes, tokensIn } from '../../clients/namerd/token.ts';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { type FileContent, watchFile } from '../../live/watch-file.ts';
import type { Log } from '../../log.ts';
import { Access, digestOf } from './access.ts';
import type { AuthConfig } from './auth-config.ts';

export class LiveTokens {
  readonly access: Access;
  readonly #log: Log;
  /** The valid digests, by the name of the token. */
  readonly #digests = new Map<string, readonly Buffer[]>();
  /** Retries for files whose tokens belong to another name, for when they no longer do. */
  readonly #refused = new Map<string, () => void>();
  readonly #subscriptions: Subscription[] = [];

  private constructor(auth: AuthConfig, log: Log) {
    this.access = new Access(auth);
    this.#log = log;
  }

  /** Resolves when all files were read. Rejects with CONFIG_UNREADABLE. */
  static async open(auth: AuthConfig, log: Log): Promise<LiveTokens> {
    const tokens = new LiveTokens(auth, log);
    try {
      for (const { name, token, tokenFile } of auth.tokens) {
        if (token !== undefined) tokens.#accept(name, [digestOf(token)]);
        if (tokenFile !== undefined) await tokens.#follow(name, tokenFile);
      }
    } catch (error) {
      tokens.close();
      throw error;
    }
    return tokens;
  }

  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #follow(name: string, file: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let isFirst = true;
      const take = (content: FileContent) => {
        const wasFirst = isFirst;
        isFirst = false;
        this.#refused.delete(name);
        try {
          const digests = digestsIn(content);
          if (!wasFirst && this.#ownerOf(digests, name) !== undefined) this.#refused.set(name, () => take(content));
          const isNew = this.#accept(name, digests);
          if (isNew && !wasFirst) this.#log.info(`token ${name}: ${file} has changed and is in effect`);
          resolve();
          if (isNew) for (const again of [...this.#refused.values()]) again();
        } catch (error) {
          const reason = reasonOf(error);
          if (wasFirst) reject(new LinkerdTcpError('CONFIG_UNREADABLE', { file, reason }, { cause: error }));
          else this.#log.warn(`token ${name}: ${file} cannot be used; its last tokens stay valid`, { reason });
        }
      };
      this.#subscriptions.push(watchFile(file, { maxBytes: mostTokenFileBytes }).subscribe(take));
    });
  }

  /** @returns whether the digests have changed. @throws Error if one of them belongs to another name */
  #accept(name: string, digests: readonly Buffer[]): boolean {
    const owner = this.#ownerOf(digests, name);
    if (owner !== undefined) throw new Error(`it is the token of ${owner}`);
    const before = this.#digests.get(name) ?? [];
    if (before.length === digests.length && before.every((each, i) => each.equals(digests[i]))) return false;
    this.#digests.set(name, digests);
    this.access.accept(name, digests);
    return true;
  }

  /** The other name that has one of the digests. */
  #ownerOf(digests: readonly Buffer[], name: string): string | undefined {
    const isOneOf = (known: readonly Buffer[]) => digests.some(digest => known.some(each => each.equals(digest)));
    return [...this.#digests].find(([other, known]) => other !== name && isOneOf(known))?.[0];
  }
}

/** @throws Error with the reason */
function digestsIn(content: FileContent): readonly Buffer[] {
  switch (content.type) {
    case 'text':
      return tokensIn(content.text).map(digestOf);
    case 'missing':
      throw new Error('no such file');
    case 'directory':
      throw new Error('it is a directory');
    default:
      throw content.error;
  }
}
