/** Parsers of the dtab language for texts whose place in a file is reported anyway. */
import { DtabSyntaxError } from '../../dtab/parse.ts';

/** As `parse`, but a complaint does not repeat the whole text; its `offset` stays. */
export const briefly =
  (parse: (text: string) => unknown) =>
  (text: string): unknown => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof DtabSyntaxError)) throw error;
      const { message, offset } = error;
      throw Object.assign(new Error(message.split(" at '", 1)[0]), { offset });
    }
  };
