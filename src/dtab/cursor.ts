/** Reads dtab text once, with one character of look-ahead, and reports syntax errors. */

/** Longer texts are quoted in part. Linkerd quotes the whole text, and its clients find the place in it. */
const longestQuote = 4096;
const quotedAround = 200;

/** A syntax error of the dtab language. The message quotes the text with the unexpected character in brackets. */
export class DtabSyntaxError extends Error {
  /** The message without the quoted text, for reports that show the place in another way. */
  readonly brief: string;
  /** Index of the unexpected UTF-16 unit; the length of the text if it ends too early. */
  readonly offset: number;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;

  constructor(expected: string, found: string, text: string, offset: number) {
    const end = offset + characterAt(text, offset).length;
    const brief = `${expected} expected but ${found} found`;
    const isLong = text.length > longestQuote;
    const from = isLong ? Math.max(0, offset - quotedAround) : 0;
    const to = isLong ? end + quotedAround : text.length;
    const before = `${from > 0 ? '…' : ''}${text.slice(from, offset)}`;
    const after = `${text.slice(end, to)}${to < text.length ? '…' : ''}`;
    super(`${brief} at '${before}[${text.slice(offset, end)}]${after}'`);
    this.brief = brief;
    this.name = 'DtabSyntaxError';
    this.offset = offset;
    const lineStart = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
    this.line = text.slice(0, lineStart).split('\n').length;
    this.column = offset - lineStart + 1;
  }
}

// As Java's Character.isWhitespace: no-break spaces are not white space, the information separators are.
const whitespace = /[\t-\r\x1c-\x1f \u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000]/;

export class Cursor {
  readonly text: string;
  offset = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The next UTF-16 unit; `''` at the end. */
  get peek(): string {
    return this.text.charAt(this.offset);
  }

  get atEnd(): boolean {
    return this.offset >= this.text.length;
  }

  fail(expected: string, offset = this.offset): never {
    const found = characterAt(this.text, offset);
    throw new DtabSyntaxError(expected, found === '' ? 'end of input' : `'${found}'`, this.text, offset);
  }

  maybeEat(char: string): boolean {
    if (this.peek !== char) return false;
    this.offset++;
    return true;
  }

  eat(char: string): void {
    if (!this.maybeEat(char)) this.fail(`'${char}'`);
  }

  /** Skips white space and comments: a `#` where white space is allowed starts a comment up to the end of the line. */
  skip(): void {
    for (;;) {
      if (this.peek === '#') {
        const end = this.text.indexOf('\n', this.offset);
        this.offset = end < 0 ? this.text.length : end;
      } else if (!this.atEnd && whitespace.test(this.peek)) this.offset++;
      else return;
    }
  }

  end(): void {
    this.skip();
    if (!this.atEnd) this.fail('end of input');
  }
}

/** The whole code point, so that a message never splits a surrogate pair. */
function characterAt(text: string, offset: number): string {
  const point = text.codePointAt(offset);
  return point === undefined ? '' : String.fromCodePoint(point);
}
