/**
 * Request bodies as text, with a bound on each and one on all that are being received or used: many clients that send large
 * bodies at the same time must not exhaust the memory.
 */
import type { IncomingMessage } from 'node:http';
import { LinkerdTcpError } from '../../errors.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly maxBodiesBytes: number;
}

export class Bodies {
  readonly #limits: BodyLimits;
  #bytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Bytes held at this moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Rejects with BODY_TOO_LARGE or BODIES_EXHAUSTED; the rest of the body is then not read. */
  async read(message: IncomingMessage): Promise<Body> {
    const { maxBodyBytes, maxBodiesBytes } = this.#limits;
    if (Number(message.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes);
    const chunks: Buffer[] = [];
    let length = 0;
    const release = () => {
      this.#bytes -= length;
      length = 0;
    };
    try {
      for await (const chunk of message as AsyncIterable<Buffer>) {
        if (length + chunk.length > maxBodyBytes) throw tooLarge(maxBodyBytes);
        if (this.#bytes + chunk.length > maxBodiesBytes)
          throw new LinkerdTcpError('BODIES_EXHAUSTED', { limit: maxBodiesBytes });
        length += chunk.length;
        this.#bytes += chunk.length;
        chunks.push(chunk);
      }
      return { text: Buffer.concat(chunks).toString('utf8'), release };
    } catch (error) {
      release();
      throw error;
    }
  }
}

export interface Body {
  readonly text: string;
  /** To call once the request is answered: until then its bytes count. */
  readonly release: () => void;
}

const tooLarge = (limit: number) => new LinkerdTcpError('BODY_TOO_LARGE', { limit });
