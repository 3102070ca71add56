/** The namerd that is measured: a process of its own, with 500 names in files, two sets of endpoints for each. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseExposition } from '../../test/metrics/parse-exposition.ts';
import { inspectable, liveHeapBytes } from '../../test/support/heap.ts';
import { startOwnNamerd } from '../../test/support/namerd-own.ts';
import type { Scope } from '../../test/support/scope.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { cpuSeconds, ownBytes } from '../process-cost.ts';
import { type Color, dtabOf, marks, names, type Routes } from './plan.ts';

export interface Memory {
  /** Resident, without pages of files. */
  readonly residentBytes: number;
  /** Bytes of live objects on the heap. */
  readonly heapBytes: number;
}

export interface Subject {
  readonly apiPort: number;
  /** Resolves when it is stored. */
  route(routes: Routes): Promise<void>;
  setEndpoint(color: Color, name: number, port: number): void;
  cpuSeconds(): number;
  /** Collects all garbage first. */
  memory(): Promise<Memory>;
  /** Names and bound ids that are followed. */
  observations(): Promise<number>;
}

const config = `
admin: {port: 0}
storage: {kind: io.l5d.inMemory}
namers:
- {kind: io.l5d.fs, rootDir: disco}
interfaces:
- {kind: io.l5d.httpController, port: 0}
`;

export async function startSubject(scope: Scope): Promise<Subject> {
  const folder = tempDir(scope);
  const place = (color: Color, name: number): string => join(folder.path, 'disco', color, `n${name}`);
  const setEndpoint = (color: Color, name: number, port: number): void => {
    const draft = join(folder.path, '.draft');
    writeFileSync(draft, `${marks[color]} ${port}\n`);
    renameSync(draft, place(color, name));
  };
  for (const color of ['blue', 'green'] as const) {
    folder.write(`disco/${color}/n0`, '');
    for (let name = 0; name < names; name++) setEndpoint(color, name, 9999);
  }
  const namerd = await startOwnNamerd(scope, { config, folder, env: inspectable });
  const { program, adminUrl, apiPort } = namerd;
  return {
    apiPort,
    route: async routes => {
      const headers = { 'content-type': 'application/dtab' };
      const url = `${namerd.url}/api/1/dtabs/bench`;
      const answer = await fetch(url, { method: 'PUT', headers, body: dtabOf(routes) });
      if (answer.status !== 204) throw new Error(`the dtab was refused: ${answer.status} ${await answer.text()}`);
    },
    setEndpoint,
    cpuSeconds: () => cpuSeconds(program.pid),
    memory: async () => {
      const heapBytes = await liveHeapBytes(program, async () => {});
      return { heapBytes, residentBytes: ownBytes(program.pid) };
    },
    observations: async () => {
      const scrape = parseExposition(await (await fetch(`${adminUrl}/metrics`)).text());
      const { samples } = scrape.get('l5d:namerd:observations')!;
      return samples.reduce((sum, { value }) => sum + value, 0);
    },
  };
}
