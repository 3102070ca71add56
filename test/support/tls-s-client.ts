/** Debian's `openssl s_client`, which stays until the server ends, and what it has to tell. */
import { spawn } from 'node:child_process';
import { findProgram } from '../../scripts/debian-packages.ts';
import { Program } from './process.ts';
import type { Scope } from './scope.ts';
import { within } from './waiting.ts';

export interface SClientOptions {
  /** Sent as SNI; none is sent without. */
  readonly name?: string;
  readonly args?: readonly string[];
  /**
   * Lines to type, each with what it prints before the next one is typed; `Q`, `R` and `K` are commands. Without any it stays until the
   * server has ended.
   */
  readonly typed?: readonly (readonly [line: string, printed: RegExp])[];
}

export interface SClientTalk {
  readonly output: string;
  /** Whether the `hello` of the server is in it: in the middle of anything, because the two are not written in order. */
  readonly answered: boolean;
  /** The number of the alert it got; undefined without one. */
  readonly alert: number | undefined;
  /** Common name of the certificate it was shown. */
  readonly subject: string | undefined;
  /** `TLSv1.3` */
  readonly version: string | undefined;
  readonly protocol: string | undefined;
  readonly resumed: boolean;
}

export async function sClient(t: Scope, port: number, options: SClientOptions = {}): Promise<SClientTalk> {
  const { name, args = [], typed } = options;
  const asks = name === undefined ? ['-noservername'] : ['-servername', name];
  const stays = typed === undefined ? ['-ign_eof'] : [];
  const file = findProgram('openssl');
  if (file === undefined) throw new Error('openssl is not installed; `npm test` installs it or says what to type');
  const child = spawn(file, ['s_client', '-connect', `127.0.0.1:${port}`, ...asks, ...stays, ...args]);
  // It may be gone before it has read what is typed.
  child.stdin.on('error', () => {});
  const program = new Program('openssl s_client', child);
  t.after(() => program.stop());
  if (typed === undefined) child.stdin.end();
  for (const [line, printed] of typed ?? []) {
    const from = program.output.length;
    child.stdin.write(`${line}\n`);
    await program.printed(printed, { from });
  }
  await within(program.exited, `openssl s_client ${args.join(' ')} to end; it printed ${program.output}`);
  return readTalk(program.output);
}

function readTalk(output: string): SClientTalk {
  const alert = /SSL alert number (\d+)/.exec(output)?.[1];
  const agreed = /^(New|Reused), (TLSv[\d.]+), Cipher is/m.exec(output);
  return {
    output,
    answered: output.includes('hello'),
    alert: alert === undefined ? undefined : Number(alert),
    subject: /^subject=.*?CN = ([^,\n]+)/m.exec(output)?.[1],
    version: agreed?.[2],
    protocol: /^ALPN protocol: (\S+)/m.exec(output)?.[1],
    resumed: agreed?.[1] === 'Reused',
  };
}
