/** The program `namerctl`: this process as the terminal of {@link runNamerctl}. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { exitCodeOf, exitCodes } from '../namerctl/exit-codes.ts';
import { failureText } from '../namerctl/failure.ts';
import { runNamerctl } from '../namerctl/program/program.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of signals) process.once(signal, () => interrupted.abort());
  return interrupted.signal;
}

async function edit(command: string, file: string): Promise<number | string> {
  // The terminal also sends this process a Ctrl-C that is meant for the editor.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  try {
    return await new Promise(resolve => {
      // Through a shell: people set EDITOR to things like `code --wait`.
      const editor = spawn('sh', ['-c', `${command} "$1"`, 'sh', file], { stdio: 'inherit' });
      editor.on('error', error => resolve(error.message));
      editor.on('close', (code, signal) => resolve(code ?? `ended by ${signal}`));
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

process.stdout.on('error', error => {
  // The reader has closed the pipe, as `head` does, which is not an error.
  if ('code' in error && error.code === 'EPIPE') process.exit(exitCodes.ok.code);
  const failure = new LinkerdTcpError('OUTPUT_FAILED', { reason: reasonOf(error) }, { cause: error });
  process.stderr.write(failureText(failure));
  process.exit(exitCodeOf(failure));
});
process.stderr.on('error', () => undefined);

const code = await runNamerctl(process.argv.slice(2), {
  env: process.env,
  folder: process.cwd(),
  stdin: process.stdin,
  isTty: process.stdout.isTTY === true,
  now: Date.now,
  ask: process.stdin.isTTY && process.stdout.isTTY ? ask : undefined,
  hasColour: process.stdout.isTTY && !process.env['NO_COLOR'],
  interruption,
  print: text => void process.stdout.write(text),
  complain: text => void process.stderr.write(text),
  edit,
});
// Output that a pipe has not accepted yet would be lost.
await Promise.all([process.stdout, process.stderr].map(stream => new Promise(resolve => stream.write('', resolve))));
process.exit(code);
