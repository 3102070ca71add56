/** Real ZooKeeper servers: one by itself, or an ensemble; each can be killed, paused and started again where it was. */
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { ZooKeeperSession } from '../../src/clients/zookeeper/session.ts';
import { freePort } from './ports.ts';
import { type Program, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';
import { until, within } from './waiting.ts';

const jars = ['zookeeper', 'slf4j-simple'].map(name => `/usr/share/java/${name}.jar`);

export interface ZooKeeperServer {
  readonly port: number;
  /** The one that runs, or ran last. */
  readonly program: Program;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again with the same data and the same port. */
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** One of ZooKeeper's words of four letters, such as `wchs`. */
  ask(word: string): Promise<string>;
}

export interface ZooKeeperOptions {
  /** Sessions last from 2 of them to 20. */
  readonly tickMs?: number;
}

export async function startZooKeeper(t: Scope, options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  for (let attempt = 1; ; attempt++) {
    const server = new Server(t, await freePort(), options, []);
    if (await server.tryStart()) return server;
    if (attempt === 5) throw new Error(`ZooKeeper does not start:\n${server.program.output}`);
  }
}

/** They have elected a leader. */
export async function startEnsemble(t: Scope, size = 3, options: ZooKeeperOptions = {}): Promise<ZooKeeperServer[]> {
  const free = () => Promise.all(Array.from({ length: size }, () => freePort()));
  for (let attempt = 1; ; attempt++) {
    const [clients, peers, elections] = await Promise.all([free(), free(), free()]);
    const members = peers.map((port, i) => `server.${i + 1}=127.0.0.1:${port}:${elections[i]}`);
    const servers = clients.map((port, i) => new Server(t, port, options, members, i + 1));
    const started = await Promise.all(servers.map(server => server.tryStart()));
    if (!started.includes(false)) return servers;
    await Promise.all(servers.map(server => server.program.stop()));
    if (attempt === 5) throw new Error(`the ensemble does not start:\n${servers[0]!.program.output}`);
  }
}

class Server implements ZooKeeperServer {
  readonly port: number;
  readonly #t: Scope;
  readonly #config: string;
  #program: Program | undefined;

  constructor(t: Scope, port: number, { tickMs = 200 }: ZooKeeperOptions, members: readonly string[], id = 0) {
    this.port = port;
    this.#t = t;
    const folder = tempDir(t);
    const data = join(folder.path, 'data');
    mkdirSync(data);
    folder.write('data/myid', `${id}\n`);
    const lines = [
      ...[`clientPort=${port}`, 'clientPortAddress=127.0.0.1', `dataDir=${data}`, `tickTime=${tickMs}`],
      ...['initLimit=50', 'syncLimit=10', 'admin.enableServer=false', '4lw.commands.whitelist=*', ...members],
    ];
    this.#config = folder.write('zoo.cfg', `${lines.join('\n')}\n`);
  }

  get program(): Program {
    return this.#program!;
  }

  /** @returns whether it serves; it may have found its port taken */
  async tryStart(): Promise<boolean> {
    const missing = jars.find(jar => !existsSync(jar));
    if (missing !== undefined)
      throw new Error(`${missing} is not there; \`npm test\` installs it or says what to type`);
    const program = startProgram(
      this.#t,
      'java',
      [
        ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dzookeeper.preAllocSize=1024'],
        ...['-cp', jars.join(':'), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', this.#config],
      ],
      { stopTimeoutMs: 1000 },
    );
    this.#program = program;
    const serves = async () => /^Mode: /m.test(await this.ask('srvr').catch(() => ''));
    const isUp = await until(
      async () => (program.exit ? 'no' : (await serves()) && 'yes'),
      () => `ZooKeeper on port ${this.port}:\n${program.output}`,
      { timeoutMs: 30_000 },
    );
    return isUp === 'yes';
  }

  async start(): Promise<void> {
    if (!(await this.tryStart())) throw new Error(`ZooKeeper does not start again:\n${this.program.output}`);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.program.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.program.signal(signal);
  }

  async ask(word: string): Promise<string> {
    const socket = net.connect(this.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', text => {
      answer += text;
    });
    try {
      await within(once(socket, 'connect'), 'a connection to ZooKeeper', 1000);
      socket.write(word);
      await within(once(socket, 'close'), `ZooKeeper to answer ${word}`, 2000);
      return answer;
    } finally {
      socket.destroy();
    }
  }
}

/** A session of the test's own, for what no store does. */
export async function openSession(t: Scope, { port }: ZooKeeperServer): Promise<ZooKeeperSession> {
  const session = await ZooKeeperSession.open({
    server: { host: '127.0.0.1', port },
    timeoutMs: 10_000,
    openingMs: 5000,
    auth: undefined,
    signal: new AbortController().signal,
  });
  t.after(() => session.close());
  return session;
}
