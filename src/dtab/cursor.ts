/** One pass over dtab text with a single character of look-ahead, and the one way it complains. */

/** Text that is not of the dtab language. The message shows the whole text with the offending character in brackets. */
export class DtabSyntaxError extends Error {
  /** Index of the offending UTF-16 unit; the text's length when it ends too early. */
  readonly offset: number;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;

  constructor(expected: string, found: string, text: string, offset: number) {
    const end = offset + characterAt(text, offset).length;
    super(
      `${expected} expected but ${found} found at '${text.slice(0, offset)}[${text.slice(offset, end)}]${text.slice(end)}'`,
    );
    this.name = 'DtabSyntaxError';
    this.offset = offset;
    const lineStart = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
    this.line = text.slice(0, lineStart).split('\n').length;
    this.column = offset - lineStart + 1;
  }
}

// Java's Character.isWhitespace: no-break spaces are not white space, the information separators are.
const whitespace = /[\t-\r\x1c-\x1f \u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000]/;

export class Cursor {
  readonly text: string;
  offset = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The next UTF-16 unit, `''` at the end. */
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

  /** Skips white space and comments: `#` where white space may stand comments out the rest of its line. */
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

/** A whole code point, so that a message never splits a surrogate pair. */
function characterAt(text: string, offset: number): string {
  const point = text.codePointAt(offset);
  return point === undefined ? '' : String.fromCodePoint(point);
}
