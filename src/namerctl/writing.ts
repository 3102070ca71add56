/** Sends what was read from a file, and finds the place in the file when namerd complains about what it got. */
import { LinkerdTcpError } from '../errors.ts';
import { type DtabInput, excerpt } from './dtab-input.ts';

export async function writing<T>(input: DtabInput, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof LinkerdTcpError && error.code === 'NAMERD_REFUSED') throw located(error, input);
    throw error;
  }
}

/** Its parser answers with the whole text, the offending character in brackets. */
function located(error: LinkerdTcpError, { file, body }: DtabInput): LinkerdTcpError {
  const { url, status, body: said } = error.details;
  const [, problem, context] = /^(.*?) at '(.*)'\s*$/s.exec(String(said)) ?? [];
  if (context === undefined || body.type !== 'application/dtab') return error;
  let offset = 0;
  while (offset < context.length && context[offset] === body.text[offset]) offset++;
  if (context[offset] !== '[') return error;
  const before = body.text.slice(0, offset).split('\n');
  const at = { line: before.length, column: before.at(-1)!.length + 1 };
  const place = `${file}:${at.line}:${at.column}: ${problem}\n${excerpt(body.text, at)}`;
  return new LinkerdTcpError('NAMERD_REFUSED', { url, status, body: place }, { cause: error });
}
