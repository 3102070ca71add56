/** The program `namerctl`: this process as the terminal of {@link runNamerctl}. */
import { spawn } from 'node:child_process';
import { runNamerctl } from '../namerctl/program.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of signals) process.once(signal, () => interrupted.abort());
  return interrupted.signal;
}

async function edit(command: string, file: string): Promise<number | string> {
  // The terminal tells us of a Ctrl-C that is meant for the editor.
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

// The reader of a pipe left, as `head` does: there is nobody to tell more.
process.stdout.on('error', () => process.exit(0));

process.exit(
  await runNamerctl(process.argv.slice(2), {
    env: process.env,
    folder: process.cwd(),
    stdin: process.stdin,
    hasColour: process.stdout.isTTY && !process.env['NO_COLOR'],
    interruption,
    print: text => void process.stdout.write(text),
    complain: text => void process.stderr.write(text),
    edit,
  }),
);
