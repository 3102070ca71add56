/** This project's namerd in its own process: found by its log lines, stopped when the test ends. */
import { join } from 'node:path';
import { projectRoot } from './linkerd-tcp.ts';
import { type Program, type ProgramOptions, startProgram } from './process.ts';
import type { Scope } from './scope.ts';
import { type TempDir, tempDir } from './temp-dir.ts';

export const namerdLauncher = join(projectRoot, 'bin/namerd');

export interface OwnNamerd {
  readonly program: Program;
  /** The directory of its configuration, and its working directory. */
  readonly folder: TempDir;
  readonly apiPort: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly adminUrl: string;
}

export interface OwnNamerdOptions {
  /** Standard storage is memory, standard ports are free ones. */
  readonly config?: string;
  readonly folder?: TempDir;
  readonly env?: ProgramOptions['env'];
}

/** The least there is: an API on `port`, 0 for any. */
export const memoryConfig = (port = 0, more = ''): string =>
  `admin: {port: 0}\nstorage: {kind: io.l5d.inMemory}\n${more}interfaces:\n- {kind: io.l5d.httpController, port: ${port}}\n`;

export async function startOwnNamerd(t: Scope, options: OwnNamerdOptions = {}): Promise<OwnNamerd> {
  const folder = options.folder ?? tempDir(t);
  const file = folder.write('namerd.yml', options.config ?? memoryConfig());
  const program = startProgram(t, namerdLauncher, [file], {
    cwd: folder.path,
    env: options.env,
    stopTimeoutMs: 2000,
  });
  const api = await program.printed(/api listening on (https?):\/\/\S+:(\d+)/);
  const admin = await program.printed(/admin listening on http:\/\/\S+:(\d+)/);
  return {
    program,
    folder,
    apiPort: Number(api[2]),
    url: `${api[1]}://127.0.0.1:${api[2]}`,
    adminUrl: `http://127.0.0.1:${admin[1]}`,
  };
}
