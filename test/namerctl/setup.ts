/** namerctl in this process, with a terminal that records its output. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runNamerctl } from '../../src/namerctl/program/program.ts';
import type { Terminal } from '../../src/namerctl/terminal.ts';
import type { Scope } from '../support/scope.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestTerminal extends Partial<Terminal> {
  readonly input?: string;
}

/** A directory without a configuration file in it or above it. */
const emptyFolder = '/proc/self/fdinfo';

export async function namerctl(args: readonly string[], options: TestTerminal = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const code = await runNamerctl(args, {
    env: {},
    folder: emptyFolder,
    stdin: Readable.from([Buffer.from(options.input ?? '')]),
    isTty: false,
    now: () => Date.UTC(2026, 0, 1, 1),
    hasColour: false,
    interruption: () => new AbortController().signal,
    edit: () => Promise.reject(new Error('no editor in this test')),
    print: text => {
      stdout += text;
    },
    complain: text => {
      stderr += text;
    },
    ...options,
  });
  return { code, stdout, stderr };
}

/** namerctl that talks to a server. */
export function namerctlOf({ url }: { readonly url: string }) {
  return (args: readonly string[], options: TestTerminal = {}): Promise<Ran> =>
    namerctl(args, { ...options, env: { NAMERCTL_BASE_URL: url, ...options.env } });
}

export interface Heard {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A server with the given answers that records its requests, for answers that the test namerd cannot give. */
export async function answering(t: Scope, answer: (request: Heard) => Answer) {
  const heard: Heard[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const asked = { method, url, headers, body: await text(request) };
    heard.push(asked);
    const { status, headers: answered, body } = answer(asked);
    response.writeHead(status, answered).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}
