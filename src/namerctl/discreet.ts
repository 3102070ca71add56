/** What is said on standard error, without secrets that a server repeats and without control sequences it may send. */
import type { Terminal } from './terminal.ts';

const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

export function discreet(terminal: Terminal, secrets: ReadonlySet<string>): Terminal {
  const quieted = (text: string) => {
    let shown = text;
    for (const secret of secrets) shown = shown.replaceAll(secret, '[secret]');
    return shown.replace(control, '\ufffd');
  };
  return { ...terminal, complain: text => terminal.complain(quieted(text)) };
}
