/**
 * A test namerd in a process of its own, so that it can be killed in the middle of anything. Its controls are those of
 * {@link NamerdServer} that take and give plain JSON.
 */
import { ForkedServer, serveControls } from './forked-server.ts';
import { NamerdServer } from './namerd.ts';

/** Starts with empty memory: the first time on any port, later on the same one. */
export class NamerdProcess extends ForkedServer<Omit<NamerdServer, 'url' | 'port' | 'until'>> {
  constructor() {
    super('namerd', import.meta.filename);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

/** A running process that is killed when the test ends. */
export async function launchNamerd(t: { after(done: () => Promise<void>): void }): Promise<NamerdProcess> {
  const namerd = new NamerdProcess();
  t.after(() => namerd.kill());
  await namerd.start();
  return namerd;
}

if (import.meta.main) serveControls(new NamerdServer());
