/** The part of a test namerd that stores dtabs in memory: list, get, create, update with or without a version, delete, history. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text as bodyText } from 'node:stream/consumers';
import { parseDtab } from '../../src/dtab/parse.ts';
import { showDtab } from '../../src/dtab/show.ts';
import { reasonOf } from '../../src/errors.ts';

interface Stored {
  readonly text: string;
  readonly version: string;
  readonly at: number;
}

interface ShownDentry {
  readonly prefix: string;
  readonly dst: string;
}

/** When version 0 would have been written; every version is a minute after the one before. */
const beginning = Date.UTC(2026, 0, 1);

export class StoredDtabs {
  readonly #dtabs = new Map<string, Stored>();
  readonly #history = new Map<string, readonly Stored[]>();
  readonly #changed: (ns: string, dtab: readonly ShownDentry[]) => void;
  #lastVersion = 0n;

  /** @param changed told of every dtab that is written */
  constructor(changed: (ns: string, dtab: readonly ShownDentry[]) => void = () => {}) {
    this.#changed = changed;
  }

  put(ns: string, text: string): void {
    const version = Buffer.alloc(8);
    version.writeBigUInt64BE(++this.#lastVersion);
    const at = beginning + Number(this.#lastVersion) * 60_000;
    const stored = { text: text.trim(), version: version.toString('base64'), at };
    this.#dtabs.set(ns, stored);
    this.#history.set(ns, [stored, ...(this.#history.get(ns) ?? [])]);
    this.#changed(ns, dentriesOf(stored.text));
  }

  #past(ns: string, response: ServerResponse): void {
    const versions = this.#history.get(ns)?.map(({ text, version, at }) => ({
      number: numberOf(version),
      version,
      at: new Date(at).toISOString(),
      dtab: text,
      ...(this.#dtabs.get(ns)?.version === version && { current: true }),
    }));
    response.writeHead(versions ? 200 : 404).end(versions && `${JSON.stringify({ versions })}\n`);
  }

  #restore(ns: string, version: string | null, response: ServerResponse): void {
    const past = this.#history.get(ns)?.find(stored => isNamed(stored, version));
    if (past) this.put(ns, past.text);
    response.writeHead(past ? 204 : 404, past && { etag: this.#dtabs.get(ns)?.version }).end();
  }

  async serve(ns: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = (status: number, body = '') => response.writeHead(status).end(body);
    const stored = this.#dtabs.get(ns);
    const [, past, last] = /^(.+)\/(history|restore)$/.exec(ns) ?? [];
    if (last === 'history' && request.method === 'GET') return this.#past(past, response);
    if (last === 'restore' && request.method === 'POST')
      return this.#restore(past, new URL(request.url ?? '', 'http://x').searchParams.get('version'), response);
    if (ns === '') return void end(200, `${JSON.stringify([...this.#dtabs.keys()].sort())}\n`);
    switch (request.method) {
      case 'GET':
      case 'HEAD': {
        if (!stored) return void end(404);
        const asked = new URL(request.url ?? '', 'http://x').searchParams.get('version');
        const earlier = this.#history.get(ns)?.find(each => isNamed(each, asked));
        if (asked !== null && !earlier) return void end(404, `no version ${asked}`);
        if (earlier) {
          response.writeHead(200, { etag: earlier.version });
          return void response.end(`${JSON.stringify(dentriesOf(earlier.text))}\n`);
        }
        const isText = /application\/dtab|text\/plain/.test(request.headers.accept ?? '');
        const body = isText ? stored.text : JSON.stringify(dentriesOf(stored.text));
        const type = isText ? 'application/dtab' : 'application/json';
        response.writeHead(200, { etag: stored.version, 'content-type': type });
        return void response.end(request.method === 'HEAD' ? undefined : `${body}\n`);
      }
      case 'POST':
      case 'PUT': {
        const body = await bodyText(request);
        const expected = request.headers['if-match'];
        if (request.method === 'POST' && stored) return void end(409);
        if (expected !== undefined && !stored) return void end(404);
        if (expected !== undefined && expected !== stored?.version) return void end(412);
        try {
          this.put(ns, showDtab(parseDtab(/json/.test(request.headers['content-type'] ?? '') ? textOf(body) : body)));
        } catch (error) {
          return void end(400, reasonOf(error));
        }
        return void end(204);
      }
      case 'DELETE':
        return void end(this.#dtabs.delete(ns) ? 204 : 404);
      default:
        return void end(404);
    }
  }
}

const numberOf = (version: string): number => Number(Buffer.from(version, 'base64').readBigUInt64BE());

const isNamed = ({ version }: Stored, name: string | null): boolean =>
  name === version || name === String(numberOf(version));

const dentriesOf = (text: string): readonly ShownDentry[] =>
  text
    .split(';')
    .map(dentry => dentry.split('=>').map(side => side.trim()))
    .filter(sides => sides.length === 2)
    .map(([prefix, dst]) => ({ prefix, dst }));

const textOf = (json: string): string =>
  (JSON.parse(json) as { prefix: string; dst: string }[]).map(({ prefix, dst }) => `${prefix}=>${dst}`).join(';');
