/** Parsers of the dtab language for reports that already show the place in a file. */
import { DtabSyntaxError } from '../../dtab/parse.ts';

/** Like `parse`, but the error message does not quote the text. Its `offset` is kept. */
export const briefly =
  (parse: (text: string) => unknown) =>
  (text: string): unknown => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof DtabSyntaxError)) throw error;
      throw Object.assign(new Error(error.brief), { offset: error.offset });
    }
  };
