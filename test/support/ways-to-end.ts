/** Each way a proxied connection can end: what the upstream does, what the client does, and the cause the proxy counts. */
import { once } from 'node:events';
import net from 'node:net';
import { refusingPort } from './ports.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

export interface WayToEnd {
  /** Also its service's name. */
  readonly name: string;
  /** The pairs the proxy may count it as; which one can be a matter of timing. */
  readonly causes: readonly string[];
  /** Keys of the listening server. */
  readonly server?: string;
  /** What the upstream does with a connection; absent: there is no listener. */
  readonly upstream?: (socket: net.Socket) => void;
  /** Whether the name has no route at all. */
  readonly isNegative?: boolean;
  /** The client's part; resolves when it has seen the end. */
  readonly client: (socket: net.Socket) => Promise<unknown>;
}

const echo = (socket: net.Socket): void => {
  socket.pipe(socket);
};
/** Speaks first, then answers the other side's end with its own. */
const greet = (socket: net.Socket): void => {
  finishAfter(socket);
  socket.write('hello');
};
/**
 * An upstream that does not finish when the other side has. It does not notice when the proxy gives up, so the oldest are closed:
 * their sessions ended long ago, because far fewer connections are open at once.
 */
const holdOut = (): ((socket: net.Socket) => void) => {
  const held: net.Socket[] = [];
  return socket => {
    socket.resume().on('end', () => held.push(socket) > 2_000 && held.shift()?.destroy());
  };
};
/** Answers the other side's end with its own. */
const finishAfter = (socket: net.Socket): void => {
  socket.resume().on('end', () => socket.end());
};

const firstBytes = (socket: net.Socket): Promise<unknown> => once(socket, 'data');
const gone = (socket: net.Socket): Promise<void> => new Promise(resolve => socket.once('close', () => resolve()));
const endOf = (socket: net.Socket): Promise<void> => new Promise(resolve => socket.once('end', () => resolve()));
/** The end as the proxy made it, in whatever form; a reset is one. */
const over = async (socket: net.Socket): Promise<void> => {
  socket.resume();
  if (!socket.destroyed) await Promise.race([endOf(socket), gone(socket)]);
  socket.destroy();
};

export const waysToEnd: readonly WayToEnd[] = [
  {
    name: 'client-ends',
    causes: ['--'],
    upstream: echo,
    client: async socket => {
      socket.write('ping');
      await firstBytes(socket);
      socket.end();
      await over(socket);
    },
  },
  {
    name: 'upstream-ends',
    causes: ['--'],
    upstream: socket => void socket.resume().end('bye'),
    client: async socket => {
      await Promise.all([firstBytes(socket), once(socket, 'end')]);
      socket.end();
      await gone(socket);
    },
  },
  {
    name: 'half-close-then-answer',
    causes: ['--'],
    upstream: socket => void socket.resume().on('end', () => socket.end('the answer')),
    client: async socket => {
      socket.end('the question');
      await Promise.all([firstBytes(socket), once(socket, 'end')]);
    },
  },
  {
    name: 'client-resets',
    causes: ['RC'],
    upstream: greet,
    client: async socket => {
      await firstBytes(socket);
      socket.resetAndDestroy();
    },
  },
  {
    name: 'client-resets-half-closed',
    causes: ['FC', 'RC'],
    upstream: socket => void socket.resume().end('bye'),
    client: async socket => {
      await Promise.all([firstBytes(socket), once(socket, 'end')]);
      socket.resetAndDestroy();
    },
  },
  {
    name: 'upstream-resets',
    causes: ['RU'],
    upstream: socket => void socket.once('data', () => socket.resetAndDestroy()),
    client: async socket => {
      socket.write('ping');
      await over(socket);
    },
  },
  {
    name: 'client-leaves-at-once',
    causes: ['NC', 'CC', 'RC', '--', 'FC', 'FU'],
    upstream: finishAfter,
    client: async socket => void socket.resetAndDestroy(),
  },
  { name: 'upstream-refuses', causes: ['CU'], client: over },
  { name: 'negative-name', causes: ['NN'], isNegative: true, client: over },
  { name: 'idle-timeout', causes: ['RT'], server: 'idleTimeoutMs: 20', upstream: greet, client: over },
  {
    name: 'fin-timeout',
    causes: ['FT'],
    server: 'finTimeoutMs: 20',
    upstream: holdOut(),
    client: async socket => {
      socket.end();
      await over(socket);
    },
  },
  {
    name: 'lifetime',
    causes: ['RL'],
    server: 'serverSession: {lifeTimeMs: 20}',
    upstream: greet,
    client: over,
  },
];

/** Starts the upstream of each way. @returns the port by service name; negative names have none. */
export async function startUpstreams(t: Scope, ways: readonly WayToEnd[]): Promise<Record<string, readonly number[]>> {
  const ports: Record<string, readonly number[]> = {};
  for (const { name, upstream, isNegative } of ways) {
    if (upstream) ports[name] = [await listen(t, upstream)];
    else if (!isNegative) ports[name] = [await refusingPort(t)];
  }
  return ports;
}

async function listen(t: Scope, play: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true });
  const sockets = new Set<net.Socket>();
  server.on('connection', socket => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    play(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as net.AddressInfo).port;
}

/** One connection to `port` from its start to its end. */
export async function playToTheEnd({ name, client }: WayToEnd, port: number): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  try {
    await within(
      (async () => {
        // A session cut off after a few milliseconds may be reset before this side has noticed that it was connected.
        await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ECONNRESET') throw error;
        });
        await client(socket);
      })(),
      `a connection to end: ${name}`,
    );
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  } finally {
    socket.destroy();
  }
}
