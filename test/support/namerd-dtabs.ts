/** The part of a test namerd that stores dtabs in memory: list, get, create, update with or without a version, delete. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text as bodyText } from 'node:stream/consumers';

interface Stored {
  readonly text: string;
  readonly version: string;
}

export class StoredDtabs {
  readonly #dtabs = new Map<string, Stored>();
  #lastVersion = 0n;

  put(ns: string, text: string): void {
    const version = Buffer.alloc(8);
    version.writeBigUInt64BE(++this.#lastVersion);
    this.#dtabs.set(ns, { text: text.trim(), version: version.toString('base64') });
  }

  async serve(ns: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = (status: number, body = '') => response.writeHead(status).end(body);
    const stored = this.#dtabs.get(ns);
    if (ns === '') return void end(200, `${JSON.stringify([...this.#dtabs.keys()].sort())}\n`);
    switch (request.method) {
      case 'GET':
      case 'HEAD': {
        if (!stored) return void end(404);
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
        this.put(ns, /^application\/json/.test(request.headers['content-type'] ?? '') ? textOf(body) : body);
        return void end(204);
      }
      case 'DELETE':
        return void end(this.#dtabs.delete(ns) ? 204 : 404);
      default:
        return void end(404);
    }
  }
}

const dentriesOf = (text: string) =>
  text
    .split(';')
    .map(dentry => dentry.split('=>').map(side => side.trim()))
    .filter(sides => sides.length === 2)
    .map(([prefix, dst]) => ({ prefix, dst }));

const textOf = (json: string): string =>
  (JSON.parse(json) as { prefix: string; dst: string }[]).map(({ prefix, dst }) => `${prefix}=>${dst}`).join(';');
