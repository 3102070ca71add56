/** Real etcd, alone or as a cluster, on free ports; killed when the test is over. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { type Program, runProgram, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { type TempDir, tempDir } from './temp-dir.ts';

export interface EtcdFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface EtcdOptions {
  /** Speaks TLS, and wants a client's certificate of the same authority. */
  readonly tls?: EtcdFiles;
}

interface Plan {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  readonly cluster: string;
}

export class Etcd {
  readonly #scope: Scope;
  readonly #folder: TempDir;
  readonly #plan: Plan;
  readonly #tls: EtcdFiles | undefined;
  #program: Program | undefined;

  constructor(scope: Scope, folder: TempDir, plan: Plan, { tls }: EtcdOptions) {
    this.#scope = scope;
    this.#folder = folder;
    this.#plan = plan;
    this.#tls = tls;
  }

  get port(): number {
    return this.#plan.port;
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error(`etcd ${this.#plan.name} was never started`);
    return this.#program;
  }

  /** Starts with the data of its directory; resolves when it serves clients. */
  async start(): Promise<void> {
    const { name, port, peerPort, cluster } = this.#plan;
    const url = `${this.#tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const { ca, cert, key } = this.#tls ?? {};
    this.#program = startProgram(
      this.#scope,
      'etcd',
      [
        ...['--name', name, '--data-dir', this.#dataDir, '--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--initial-cluster', cluster],
        ...['--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap', '--log-outputs', 'stderr'],
        ...(ca && cert && key
          ? ['--client-cert-auth', '--trusted-ca-file', ca, '--cert-file', cert, '--key-file', key]
          : []),
      ],
      { stopTimeoutMs: 100 },
    );
    await this.#program.printed(/serving (?:insecure )?client traffic|serving client traffic securely/);
  }

  /** Simulates a crash: acknowledged writes stay in its directory. */
  async kill(): Promise<void> {
    this.program.signal('SIGKILL');
    await this.program.exited;
  }

  pause(): void {
    this.program.signal('SIGSTOP');
  }

  resume(): void {
    this.program.signal('SIGCONT');
  }

  /** Forgets everything; only while it does not run. */
  wipe(): void {
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  /** Runs etcdctl against this member. @returns its output, trimmed */
  async ctl(...args: readonly string[]): Promise<string> {
    const endpoint = `--endpoints=${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
    const env = { ETCDCTL_API: '3' };
    const { code, output } = await runProgram(this.#scope, 'etcdctl', [endpoint, ...args], { env });
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')} failed:\n${output}`);
    return output.trim();
  }

  get #dataDir(): string {
    return join(this.#folder.path, this.#plan.name);
  }
}

export async function startEtcd(t: Scope, options: EtcdOptions = {}): Promise<Etcd> {
  const [etcd] = await startEtcdCluster(t, 1, options);
  return etcd!;
}

/** Members that know each other. */
export async function startEtcdCluster(t: Scope, size: number, options: EtcdOptions = {}): Promise<readonly Etcd[]> {
  for (let attempt = 1; ; attempt++) {
    // Another program may take a port first; then all are chosen anew.
    const names = Array.from({ length: size }, (_, i) => `member${i}`);
    const plans = await Promise.all(
      names.map(async name => ({ name, port: await freePort(), peerPort: await freePort() })),
    );
    const cluster = plans.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join();
    const folder = tempDir(t);
    const members = plans.map(plan => new Etcd(t, folder, { ...plan, cluster }, options));
    try {
      await Promise.all(members.map(member => member.start()));
      return members;
    } catch (error) {
      if (attempt === 3 || !/address already in use/.test(String(error))) throw error;
    }
  }
}

/** The member that leads, by its own word. */
export async function leaderOf(members: readonly Etcd[]): Promise<Etcd> {
  for (const member of members) {
    const [{ Status }] = JSON.parse(await member.ctl('endpoint', 'status', '--write-out=json')) as [
      { readonly Status: { readonly leader: number; readonly header: { readonly member_id: number } } },
    ];
    if (Status.leader === Status.header.member_id) return member;
  }
  throw new Error('no member of the cluster leads');
}
