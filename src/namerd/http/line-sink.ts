/** Documents as lines of a chunked HTTP/1.1 answer, written once for all watches of the same name. */
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { DocumentSink } from '../core/watch-stream.ts';

interface Line {
  readonly bytes: Uint8Array;
  /** The same as a chunk of HTTP/1.1. */
  readonly chunk: Uint8Array;
}

function lineOf(document: string): Line {
  const bytes = Buffer.from(`${document}\n`);
  const chunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
  return { bytes, chunk };
}

/** Readers of JSON ignore a line break between documents. */
const heartbeat = lineOf('');

/** Keeps the last line: the watches of a name get the same document one after another. */
export class Lines {
  #document = '';
  #line = heartbeat;

  of(document: string): Line {
    if (document !== this.#document) {
      this.#document = document;
      this.#line = lineOf(document);
    }
    return this.#line;
  }
}

export class LineSink implements DocumentSink {
  readonly #response: ServerResponse;
  readonly #lines: Lines;

  constructor(response: ServerResponse, lines: Lines) {
    this.#response = response;
    this.#lines = lines;
  }

  write(document: string): boolean {
    return this.#write(this.#lines.of(document));
  }

  heartbeat(): boolean {
    return this.#write(heartbeat);
  }

  onceDrained(resume: () => void): void {
    this.#sink().once('drain', resume);
  }

  end(last: string | undefined): void {
    this.#response.end(last === undefined ? undefined : this.#lines.of(last).bytes);
  }

  destroy(): void {
    this.#response.destroy();
  }

  #write({ bytes, chunk }: Line): boolean {
    const sink = this.#sink();
    return sink.write(sink === this.#response ? bytes : chunk);
  }

  /** The socket itself if chunks can be written to it: the response would make a chunk of its own for each watch. */
  #sink(): Writable {
    const { socket, chunkedEncoding } = this.#response;
    // There is no socket before the answers to earlier requests are complete; one that is ending accepts nothing more.
    return socket?.writable && chunkedEncoding ? socket : this.#response;
  }
}
