/**
 * The live JavaScript heap of another Node process, all of its threads, right after a full garbage collection.
 *
 * The process is started with {@link inspectable} in its environment. A thread that blocks in a system call answers when it
 * next runs JavaScript, so the caller wakes idle data-plane threads with `wake`.
 */
import { once } from 'node:events';
import type { Program } from './process.ts';
import { defaultTimeoutMs, within } from './waiting.ts';

export const inspectable = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

type Ask = (method: string) => Promise<Readonly<Record<string, unknown>>>;

/** @returns live bytes: of the main thread and of all workers together. */
export async function liveHeapBytes(program: Program, wake: () => Promise<unknown>): Promise<number> {
  const [, url] = await program.printed(/Debugger listening on (ws:\S+)/);
  const socket = new WebSocket(url as string);
  await within(once(socket, 'open'), 'the inspector');
  try {
    const sessions = await attach(socket);
    let bytes = 0;
    for (const ask of sessions) {
      // Twice: the first collection may only queue finalizers, whose objects the second one frees.
      await awake(ask('HeapProfiler.collectGarbage'), wake);
      await awake(ask('HeapProfiler.collectGarbage'), wake);
      bytes += Number((await awake(ask('Runtime.getHeapUsage'), wake))['usedSize']);
    }
    return bytes;
  } finally {
    socket.close();
    await once(socket, 'close');
  }
}

async function awake<T>(answer: Promise<T>, wake: () => Promise<unknown>): Promise<T> {
  const timer = setInterval(() => void wake().catch(() => clearInterval(timer)), 50);
  try {
    return await within(answer, 'the inspector to answer', defaultTimeoutMs);
  } finally {
    clearInterval(timer);
  }
}

/** One way to ask for each thread: the main one first. */
async function attach(socket: WebSocket): Promise<readonly Ask[]> {
  const main = asker(message => socket.send(message));
  const workers = new Map<string, ReturnType<typeof asker>>();
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    const sessionId = String(message.params?.['sessionId']);
    if (message.method === 'NodeWorker.attachedToWorker') {
      const send = (text: string): void => {
        void main.ask('NodeWorker.sendMessageToWorker', { sessionId, message: text });
      };
      workers.set(sessionId, asker(send));
    } else if (message.method === 'NodeWorker.receivedMessageFromWorker') {
      workers.get(sessionId)?.answer(JSON.parse(String(message.params?.['message'])) as Message);
    } else main.answer(message);
  });
  // Answered after the workers that exist have been announced.
  await main.ask('NodeWorker.enable', { waitForDebuggerOnStart: false });
  return [main, ...workers.values()].map(
    ({ ask }) =>
      (method: string) =>
        ask(method, {}),
  );
}

function asker(send: (text: string) => void) {
  const waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>();
  let lastId = 0;
  return {
    ask(method: string, params: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
      const id = ++lastId;
      const answered = Promise.withResolvers<Readonly<Record<string, unknown>>>();
      waiting.set(id, answered);
      send(JSON.stringify({ id, method, params }));
      return answered.promise;
    },
    answer({ id, result, error }: Message): void {
      if (id === undefined) return;
      if (error) waiting.get(id)?.reject(new Error(error.message));
      else waiting.get(id)?.resolve(result ?? {});
      waiting.delete(id);
    },
  };
}
