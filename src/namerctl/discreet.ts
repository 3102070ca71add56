/**
 * The terminal, guarded: secrets that a server repeats and control sequences that it sends are not shown.
 *
 * Output to a pipe is not changed, so that scripts get the bytes that namerd stores.
 */
import type { Terminal } from './terminal.ts';

/** C0, DEL and C1 but for tab and newline, and the characters that reorder or hide text. */
const unprintable = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** The colours of {@link paintOn}, which may also come from a server: they do no harm. */
const colour = /(\x1b\[(?:0|1|2|31|32|33|36)m)/;

export function discreet(terminal: Terminal, secrets: ReadonlySet<string>): Terminal {
  const withoutSecrets = (text: string) => {
    let shown = text;
    for (const secret of secrets) shown = shown.replaceAll(secret, '[secret]');
    return shown;
  };
  return {
    ...terminal,
    print: terminal.isTty ? text => terminal.print(printable(text)) : terminal.print,
    complain: text => terminal.complain(withoutControl(withoutSecrets(text))),
  };
}

/** With `\u001b` in place of an escape character, which JSON understands too. */
const printable = (text: string): string =>
  text
    .split(colour)
    .map((part, i) => (i % 2 === 1 ? part : withoutControl(part)))
    .join('');

const withoutControl = (text: string): string => text.replace(unprintable, escaped);

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
