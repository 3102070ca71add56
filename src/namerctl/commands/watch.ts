/** `watch`: a dtab, then every change of it, until Ctrl-C; connections that end are made again. */
import { finalize, type Observable, takeUntil } from 'rxjs';
import { NamerdHttpClient } from '../../clients/namerd/http-client.ts';
import { watch } from '../../clients/namerd/watch.ts';
import { LinkerdTcpError } from '../../errors.ts';
import type { Activity } from '../../live/activity.ts';
import { systemClock } from '../../live/clock.ts';
import { aborted } from '../aborted.ts';
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { denial } from '../denial.ts';
import { jsonLine, prettyDtab } from '../layout.ts';
import { diffDtabs, isSame, showDiff } from '../line-diff.ts';
import { encodeNamespace, shownUrl, target } from '../request-target.ts';
import { saidIn } from '../said.ts';
import type { Session } from '../session.ts';
import { decodeDtab, type ShownDtab } from '../stored-dtab.ts';

export const watchDtab: CommandSpec = {
  name: 'watch',
  summary: 'print a dtab and every change of it until Ctrl-C',
  about: 'Continues through restarts of namerd, and waits for a dtab that does not exist yet.',
  args: [namespaceArgument],
  examples: [
    ['watch default', 'the dtab, then changes as a diff'],
    ['watch default --json', 'the whole dtab on a line for every change, for programs'],
  ],
  isOfDtab: true,
  async run(session, [word]) {
    const namespace = namespaceIn(word);
    const interruption = session.terminal.interruption();
    void sayWhetherItIsThere(session, namespace);
    const shown = new Changes(session, namespace);
    await new Promise<void>((resolve, reject) =>
      states(session, namespace)
        .pipe(takeUntil(aborted(interruption)))
        .subscribe({ next: state => shown.next(state), error: reject, complete: resolve }),
    ).catch(error => {
      throw refusal(error, session);
    });
    return undefined;
  },
};

const longestDtab = 64 << 20;
/** The original sends nothing while nothing changes, so silence says little: the stream is opened anew after this long. */
const idleTimeoutMs = 10 * 60_000;
const backoff = { baseMs: 1000, maxMs: 30_000 };

function states(session: Session, namespace: string): Observable<Activity<ShownDtab>> {
  const { baseUrl, headers, tls, timeoutMs } = session.connection;
  const { url } = baseUrl;
  const client = new NamerdHttpClient({
    baseUrl: url,
    headers,
    tls: tls && { source: () => tls, close: () => undefined },
    requestTimeoutMs: timeoutMs,
    maxBodyBytes: longestDtab,
    clock: systemClock,
  });
  return watch(target(url, `/dtabs/${encodeNamespace(namespace)}`, { watch: 'true' }), {
    client,
    clock: systemClock,
    backoff,
    idleTimeoutMs,
    maxDocumentBytes: longestDtab,
    decode: decodeDtab,
    observer: { requestDone() {} },
    running: new Set(),
    isFinal: ({ details }) => Number(details.status) < 500,
  }).pipe(finalize(() => void client.close()));
}

/** A mistyped name is reported; any other failure is reported by the watch itself. */
async function sayWhetherItIsThere({ api, terminal }: Session, namespace: string): Promise<void> {
  try {
    await api.get(namespace);
  } catch (error) {
    if (error instanceof LinkerdTcpError && error.code === 'NAMERD_MISSING')
      terminal.complain(`namerctl: ${error.message}; waiting for it\n`);
  }
}

class Changes {
  readonly #session: Session;
  readonly #namespace: string;
  #last: ShownDtab | undefined;
  #trouble = '';

  constructor(session: Session, namespace: string) {
    this.#session = session;
    this.#namespace = namespace;
  }

  next(state: Activity<ShownDtab>): void {
    if (state.state === 'ok') this.#is(state.value);
    else if (state.state === 'failed') this.#fails(state.error.message);
  }

  #is(dtab: ShownDtab): void {
    const { terminal, isJson, paint } = this.#session;
    if (this.#trouble !== '') terminal.complain(`namerctl: ${shownUrl(this.#session.api.baseUrl.url)} answers again\n`);
    this.#trouble = '';
    const lines = diffDtabs(this.#last ?? [], dtab);
    // A new connection sends the same state again.
    if (this.#last !== undefined && isSame(lines)) return;
    const at = new Date().toISOString();
    if (isJson) this.#session.print(jsonLine({ namespace: this.#namespace, at, dtab }));
    else {
      const text = this.#last === undefined ? prettyDtab({ version: undefined, dtab }) : showDiff(lines, paint);
      this.#session.print(`${paint('dim', `# ${at}`)}\n${text}`);
    }
    this.#last = dtab;
  }

  #fails(message: string): void {
    if (message === this.#trouble) return;
    this.#trouble = message;
    this.#session.terminal.complain(`namerctl: ${message}; trying again\n`);
  }
}

function refusal(error: unknown, { connection }: Session): unknown {
  if (!(error instanceof LinkerdTcpError) || error.details.status === undefined) return error;
  const { url, status, body } = error.details;
  const details = { url: String(url), status: Number(status), body: saidIn(String(body)) };
  return denial(details, connection) ?? new LinkerdTcpError('NAMERD_REFUSED', details, { cause: error });
}
